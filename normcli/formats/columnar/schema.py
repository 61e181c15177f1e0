"""The Arrow schema of a table whose columns are scaled, with metadata to match."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from normcli.formats.columnar.lists import is_vectors, with_values

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.formats.base import Style


def scaled_schema(schema: pa.Schema, replaced: Sequence[int], style: Style) -> pa.Schema:
    """`schema` with the columns `replaced` as floats; all else as it was.

    Where pandas, Spark, Avro or Hugging Face noted a column's type in the metadata of the
    schema, the note changes with the type: they believe it more than the type.
    """
    import pyarrow as pa

    fields = list(schema)
    for i in replaced:
        fields[i] = fields[i].with_type(_float_type(fields[i].type, style))
        if style.nulls:
            fields[i] = fields[i].with_nullable(True)
    plain = [i for i in replaced if not is_vectors(fields[i].type)]
    types = {fields[i].name: fields[i].type.to_pandas_dtype().__name__ for i in plain}
    return pa.schema(fields, _true_metadata(schema.metadata, types))


INDEX, CATEGORIES = "pandas index", "pandas categories"


def pandas_labels(schema: pa.Schema) -> dict[int, str]:
    """The columns that are labels by pandas' note in the metadata, and what they are."""
    try:
        note = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        index = {name for name in note.get("index_columns", ()) if isinstance(name, str)}
        columns = [c for c in note.get("columns", ()) if c["pandas_type"] == "categorical"]
        categories = {c.get("field_name", c["name"]) for c in columns}
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return {}
    names = enumerate(schema.names)
    kinds = ((i, INDEX if n in index else CATEGORIES if n in categories else "") for i, n in names)
    return {i: kind for i, kind in kinds if kind}


def _float_type(type_: pa.DataType, style: Style) -> pa.DataType:
    """float32 columns stay float32, all else is as the style says; lists stay lists of these."""
    if is_vectors(type_):
        return with_values(type_, _float_type(type_.value_type, style))
    return number_type(style, single=stays_float32(type_))


def number_type(style: Style, *, single: bool = False) -> pa.DataType:
    """The type of scaled columns; `single`: of those that were float32."""
    import pyarrow as pa

    if style.integers:
        return pa.int64()
    return pa.float32() if style.float32 or single else pa.float64()


def stays_float32(type_: pa.DataType) -> bool:
    """Is a column of this type written as float32, whatever is asked for?"""
    import pyarrow.types as t

    return bool(t.is_float32(type_.value_type if t.is_dictionary(type_) else type_))


def _true_metadata(
    metadata: Mapping[bytes, bytes] | None, types: Mapping[str, str]
) -> dict[bytes, bytes] | None:
    """`metadata` with the columns `types` (name -> "float32" ...) noted as such."""
    if metadata is None:
        return None
    return {k: _noted(v, NOTES[k], types) if k in NOTES else v for k, v in metadata.items()}


def _noted(text: bytes, note: Note, types: Mapping[str, str]) -> bytes:
    """The JSON `text` after `note`; as it was where nothing changes or it is not understood."""
    try:
        value = json.loads(text)
        before = copy.deepcopy(value)
        note(value, types)
        return text if value == before else json.dumps(value).encode()
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return text


def _note_for_pandas(value: Any, types: Mapping[str, str]) -> None:
    """https://pandas.pydata.org/docs/development/developer.html"""
    for column in value["columns"]:
        type_ = types.get(column.get("field_name", column["name"]))
        # "Float64" is pandas' nullable type over the same Arrow type.
        if type_ and column["numpy_type"].lower() != type_:
            column.update(pandas_type=type_, numpy_type=type_, metadata=None)


def _note_for_spark(value: Any, types: Mapping[str, str]) -> None:
    """StructType.json of org.apache.spark.sql.types"""
    for column in value["fields"]:
        if column["name"] in types:
            column["type"] = WORDS[types[column["name"]]]


def _note_for_avro(value: Any, types: Mapping[str, str]) -> None:
    """https://avro.apache.org/docs/1.12.0/specification/"""
    for column in value["fields"]:
        if column["name"] in types:
            word, union = WORDS[types[column["name"]]], column["type"]
            nullable = isinstance(union, list)
            column["type"] = ["null" if t == "null" else word for t in union] if nullable else word


def _note_for_hugging_face(value: Any, types: Mapping[str, str]) -> None:
    """https://huggingface.co/docs/datasets/about_dataset_features"""
    features = value["info"]["features"]
    for name in types.keys() & features.keys():
        features[name] = {"dtype": types[name], "_type": "Value"}


Note: TypeAlias = Callable[[Any, Mapping[str, str]], None]
WORDS = {"float32": "float", "float64": "double", "int64": "long"}
NOTES: dict[bytes, Note] = {
    b"pandas": _note_for_pandas,
    b"org.apache.spark.sql.parquet.row.metadata": _note_for_spark,
    b"parquet.avro.schema": _note_for_avro,
    b"huggingface": _note_for_hugging_face,
}
