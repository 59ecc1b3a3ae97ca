"""The ways to do a piece of work: ours, and what a user would do instead.

A side is a script for bash, run in an empty directory of its own. $IN is the directory with the data, $BUCKET the
bucket, $ENDPOINT the store; the peers' programs come first on the PATH.
"""

from dataclasses import dataclass

_PUT = "s5cmd --endpoint-url $ENDPOINT --log error cp"
_COPY = "COPY (FROM {reader}('$f')) TO '$out' (FORMAT parquet, COMPRESSION zstd)"


@dataclass(frozen=True)
class Side:
    """A name and a script. A side with `share` does only that share of the work, and counts for the whole."""

    name: str
    script: str
    share: float = 1.0


OURS = Side("processor", 'exec "$PROCESSOR" -m processor run --once')


def by_hand(reader: str) -> Side:
    """Return what one does for one large file: its checksum, DuckDB, an upload."""
    sql = _COPY.format(reader=reader)
    return Side(
        "by hand",
        f"""
for f in $IN/*; do out=$PWD/$(basename $f).parquet
sha256sum $f > checksum
python -c "import duckdb; duckdb.sql(\\"{sql}\\")"
{_PUT} $out s3://$BUCKET/hand/ ; done""",
    )


def dataframe(library: str, reader: str) -> Side:
    """Return the script with a data frame library."""
    write = {"pandas": "to_parquet('out.parquet', compression='zstd')", "polars": "write_parquet('out.parquet')"}
    return Side(
        library,
        f"""
sha256sum $IN/* > checksum
python -c "import glob, {library} as p; p.{reader.replace("FILE", "glob.glob('$IN/*')[0]")}.{write[library]}"
{_PUT} out.parquet s3://$BUCKET/{library}/""",
    )


CLEVER = Side(
    "clever script",
    f"""
cat > convert.py <<'END'
import duckdb, hashlib, os, pathlib
for path in sorted(pathlib.Path(os.environ['IN']).rglob('*.csv')):
    hashlib.sha256(path.read_bytes()).hexdigest()
    out = pathlib.Path('out', path.relative_to(os.environ['IN'])).with_suffix('.csv.parquet')
    out.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute("COPY (FROM read_csv($1)) TO $2 (FORMAT parquet, COMPRESSION zstd)", [str(path), str(out)])
END
python convert.py
{_PUT} "out/*" s3://$BUCKET/clever/""",
)

SHELL_LOOP = Side(
    "shell loop (a 50th)",
    f"""
find $IN -name '*.csv' | sort > all
head -$(($(wc -l < all) / 50)) all | while read f; do
sha256sum $f > checksum; out=$PWD/$(basename $f).parquet
python -c "import duckdb; duckdb.sql(\\"{_COPY.format(reader="read_csv")}\\")"
{_PUT} $out s3://$BUCKET/loop/; done""",
    share=1 / 50,
)

LXML = Side(
    "lxml script",
    f"""
cat > convert.py <<'END'
import glob, os, pyarrow as pa, pyarrow.parquet as pq
from lxml import etree
path = glob.glob(os.environ['IN'] + '/*.xml')[0]
def row(e):
    found = {{'@' + k: v for k, v in e.attrib.items()}}
    for child in e:
        found[child.tag] = row(child) if len(child) else child.text
    return found
def rows():
    for _, e in etree.iterparse(path, tag='order'):
        yield row(e)
        e.clear()
        while e.getprevious() is not None:
            del e.getparent()[0]
writer, batch = None, []
def flush():
    global writer, batch
    table = pa.Table.from_pylist(batch)
    writer = writer or pq.ParquetWriter('out.parquet', table.schema, compression='zstd')
    writer.write_table(table)
    batch = []
for r in rows():
    batch.append(r)
    if len(batch) == 50000: flush()
if batch: flush()
writer.close()
END
sha256sum $IN/* > checksum; python convert.py; {_PUT} out.parquet s3://$BUCKET/lxml/""",
)


def unpacked(unpack: str) -> Side:
    """Return the way for archives: unpack, then the clever script over what was in it."""
    return Side(
        "by hand",
        f"""
sha256sum $IN/* > checksum; mkdir u; {unpack}
export IN=$PWD/u
{CLEVER.script}""",
    )


UNTAR = unpacked("tar xf $IN/*.tar.gz -C u")
UNZIP = unpacked("unzip -q $IN/*.zip -d u || python -m zipfile -e $IN/*.zip u")
S5CMD = Side("s5cmd cp", f'{_PUT} "$IN/*" s3://$BUCKET/s5cmd/')
AWS = Side("aws s3 cp", "aws --endpoint-url $ENDPOINT s3 cp --recursive --only-show-errors $IN s3://$BUCKET/aws/")
RCLONE = Side(
    "rclone copy",
    "rclone --config /dev/null copy $IN "
    "':s3,provider=Other,env_auth=true,force_path_style=true,endpoint=\"'$ENDPOINT'\":'$BUCKET/rclone",
)
