"""The schema, one table a noun.

Migrations build it; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)


def _id() -> Column[str]:
    return Column("id", String(64), primary_key=True)


def _app() -> Column[str]:
    return Column("app", String(100), nullable=False)


def _at() -> Column[float]:
    return Column("at", Float, nullable=False)


apps = Table(
    "apps",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("base", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("prompt", Text, nullable=False),
)

traces = Table(
    "traces",
    metadata,
    _id(),
    _app(),
    _at(),
    Column("input", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("context", JSON, nullable=False),
    Column("release", Integer, nullable=False),
    Column("source", String(20), nullable=False),
    Column("confidence", Float),
    Column("passage_id", Text, nullable=False),
    Column("influences", JSON, nullable=False),
    Column("latency_ms", Float),
    Column("cost", Float),
    Column("history", JSON, nullable=False, server_default=text("'[]'")),
    Column("model", Text, nullable=False, server_default=text("''")),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Index(None, "app", "at"),
)

assessments = Table(
    "assessments",
    metadata,
    Column("trace_id", String(64), primary_key=True),
    _app(),
    _at(),
    Column("p_bad", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("failure_modes", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("trace_id", String(64), nullable=False),
    _at(),
    Column("user", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("negative", Boolean, nullable=False, server_default=false()),
    Index(None, "trace_id"),
    Index(None, "app", "at"),
    Index(None, "app", "negative", "at"),
)

scores = Table(
    "scores",
    metadata,
    Column("trace_id", String(64), primary_key=True),
    Column("user", Text, primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("app", String(100), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("number", Float),
    Column("words", Text),
    Column("feedback_id", String(64), nullable=False),
    _at(),
    Index(None, "app", "name", "at"),
)

unassessed = Table(
    "unassessed",
    metadata,
    Column("trace_id", String(64), primary_key=True),
    Column("app", String(100), primary_key=True),
    _at(),
    Index(None, "app", "at"),
)

tallies = Table(
    "tallies",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("outcome", String(20), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    _at(),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    _id(),
    _app(),
    Column("trace_id", String(64), nullable=False, unique=True),
    _at(),
    Column("reasons", JSON, nullable=False),
    Column("reporter", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reserved_by", Text, nullable=False),
    Column("reserved_until", Float, nullable=False),
    Index(None, "app", "status", "at"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _id(),
    _app(),
    Column("case_id", String(64), ForeignKey("cases.id"), nullable=False, unique=True),
    _at(),
    Column("reviewer", Text, nullable=False),
    Column("erred", Boolean, nullable=False),
    Column("failure_mode", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("passage_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "app", "at"),
)

lessons = Table(
    "lessons",
    metadata,
    _id(),
    _app(),
    Column("case_id", String(64), ForeignKey("cases.id"), nullable=False),
    Column("verdict_id", String(64), ForeignKey("verdicts.id"), nullable=False, unique=True),
    _at(),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("group", String(64), nullable=False),
    Column("split", String(20), nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("passage_id", Text, nullable=False),
    Column("reporter", Text, nullable=False),
    Column("erred", Boolean, nullable=False),
    Column("rejected_answer", Text, nullable=False),
    Column("failure_mode", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("supersedes", String(64), nullable=False),
    Column("status", String(20), nullable=False),
    Column("valid_until", Float),
    Index(None, "app", "at"),
)

bank = Table(
    "bank",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("lesson_id", String(64), ForeignKey("lessons.id"), primary_key=True),
    Column("since", Integer, primary_key=True),
    Column("until", Integer),
    Index(None, "app", "since"),
)

passages = Table(
    "passages",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("since", Integer, primary_key=True),
    Column("until", Integer),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
)

suite_cases = Table(
    "suite_cases",
    metadata,
    _id(),
    _app(),
    Column("suite", String(20), nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("passage_id", Text, nullable=False),
    _at(),
    Column("group", String(64), nullable=False),
    Column("origin", String(64), nullable=False),
    Column("source_user", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("since", Integer, nullable=False),
    Column("dropped", Boolean, nullable=False),
    Index(None, "app", "suite"),
)

candidates = Table(
    "candidates",
    metadata,
    _id(),
    _app(),
    _at(),
    Column("parent", Integer, nullable=False),
    Column("bank_version", Integer, nullable=False),
    Column("layers", JSON, nullable=False),
    Column("added", JSON, nullable=False),
    Column("removed", JSON, nullable=False),
    Column("knowledge", Integer, nullable=False),
    Column("sampled", JSON, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("app", "bank_version"),
)

gate_reports = Table(
    "gate_reports",
    metadata,
    _id(),
    _app(),
    Column("candidate_id", String(64), ForeignKey("candidates.id"), nullable=False),
    _at(),
    Column("decision", String(20), nullable=False),
    Column("body", JSON, nullable=False),
    Index(None, "candidate_id"),
)

releases = Table(
    "releases",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("manifest", Text, nullable=False),
    Column("candidate_id", String(64), nullable=False),
    _at(),
    Column("bank_version", Integer, nullable=False),
    Column("lessons", Integer, nullable=False),
    Column("status", String(20), nullable=False),
)

active_releases = Table(
    "active_releases",
    metadata,
    Column("app", String(100), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("flips", Integer, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("fingerprint", String(120), primary_key=True),
    Column("text_hash", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(60), nullable=False),
    _app(),
    Column("subject", String(200), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

keys = Table(
    "keys",
    metadata,
    _id(),
    Column("name", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("apps", JSON, nullable=False),
    Column("origins", JSON, nullable=False),
    _at(),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("secret_hash", String(64), nullable=False, unique=True),
)

token_secrets = Table(
    "token_secrets",
    metadata,
    _id(),
    _at(),
    Column("secret", String(64), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("until", Float, nullable=False),
    Column("fence", Integer, nullable=False),
)
