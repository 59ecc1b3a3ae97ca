"""Store settings, taken from the program's settings."""

from processor.config.settings import Settings
from processor.domain.credits import Credits
from processor.store.settings import StoreSettings


def store_settings(settings: Settings) -> StoreSettings:
    """Return what the settings say of the store."""
    tags = tuple(tuple(tag.split("=", 1)) for tag in settings.s3_tags.split("&") if tag)
    return StoreSettings(
        bucket=settings.s3_bucket,
        endpoint=settings.s3_endpoint or None,
        region=settings.s3_region,
        prefix=settings.s3_prefix,
        access_key_id=settings.s3_access_key_id or None,
        secret_access_key=settings.s3_secret_access_key.get_secret_value() or None,
        force_path_style=settings.s3_force_path_style,
        ca_bundle=settings.s3_ca_bundle,
        storage_class=settings.s3_storage_class or None,
        encrypt=bool(settings.s3_sse),
        kms_key_id=settings.s3_sse_kms_key_id if settings.s3_sse == "aws:kms" else None,
        tags=tags,  # type: ignore[arg-type]  # checked by the settings
        part_size_bytes=settings.file_part_size,
        max_bandwidth=settings.max_bandwidth or None,
        max_connections=max(
            settings.max_concurrency * settings.file_parts_in_flight, Credits(settings.max_concurrency).total
        )
        + 2,
    )
