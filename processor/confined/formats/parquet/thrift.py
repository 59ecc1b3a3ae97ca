"""Thrift's compact protocol, as far as Parquet footers need it.

Source: "Thrift Compact protocol encoding", Apache Thrift. A struct is `{field id: (type, value)}`, a list
`(element type, [values])`; integers are ints, binaries bytes, and all that is not understood stays as it was.
"""

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

Struct = dict[int, tuple[int, Any]]

_LONG_LIST = 15


class ThriftReader:
    """Reads one value after another from `data`."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def struct(self) -> Struct:
        """Return the struct that begins here."""
        found: Struct = {}
        field = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else self._signed()
            found[field] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2 | 3:  # a truth value is one byte in a list
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._unsigned())
            case 9 | 10:
                head = self._byte()
                size = head >> 4 if head >> 4 != _LONG_LIST else self._unsigned()
                return head & 15, [self._value(head & 15) for _ in range(size)]
            case 12:
                return self.struct()
        raise ValueError(f"a Parquet footer has no values of Thrift type {kind}")

    def _byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def _bytes(self, count: int) -> bytes:
        self.position += count
        return self.data[self.position - count : self.position]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004
                return number

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


def encode(struct: Struct) -> bytes:
    """Return `struct` as bytes."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def _put_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for field, (kind, value) in sorted(struct.items()):
        head = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        step = field - last
        if step <= _LONG_LIST:
            out.append(step << 4 | head)
        else:
            out.append(head)
            _put_signed(out, field)
        last = field
        if kind not in (TRUE, FALSE):
            _put(out, kind, value)
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    match kind:
        case 1 | 2 | 3:
            out.append(value)
        case 4 | 5 | 6:
            _put_signed(out, value)
        case 7:
            out += value
        case 8:
            _put_unsigned(out, len(value))
            out += value
        case 9 | 10:
            element, values = value
            out.append(min(len(values), _LONG_LIST) << 4 | element)
            if len(values) >= _LONG_LIST:
                _put_unsigned(out, len(values))
            for each in values:
                _put(out, element, each)
        case _:
            _put_struct(out, value)


def _put_signed(out: bytearray, number: int) -> None:
    _put_unsigned(out, number * 2 if number >= 0 else -number * 2 - 1)


def _put_unsigned(out: bytearray, number: int) -> None:
    while number > 127:  # noqa: PLR2004
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
