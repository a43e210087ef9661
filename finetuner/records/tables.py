"""The journal's tables. JSON columns hold attrs objects as `_core.codec` writes them."""

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table, Text

metadata = MetaData()

uploads = Table(
    "uploads",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("file_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("fingerprint", String(64)),  # of the data set that the file holds
    Column("created_at", Float, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("examples", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("role", String(16), nullable=False),  # train, validation, test
    Column("row_hashes", Text, nullable=False),  # prompt hashes, first 16 hexadecimal digits each, in order
    Column("created_at", Float, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", String(64), primary_key=True),  # our idempotency key
    Column("provider", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # intent, created, refused
    Column("job_id", Text, index=True),
    Column("request", Text, nullable=False),
    Column("snapshot", Text),
    Column("training_fingerprint", String(64)),
    Column("validation_fingerprint", String(64)),
    Column("tuned_model", Text, index=True),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", String(64), primary_key=True),  # hash of model, data, options: the same evaluation has the same id
    Column("model", Text, nullable=False, index=True),
    Column("dataset", String(64), nullable=False),
    Column("kind", String(32), nullable=False),  # evaluation, comparison, benchmark
    Column("result", Text),  # None while it runs
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
)

answers = Table(
    "answers",
    metadata,
    Column("evaluation", String(64), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

answer_keys = Table(
    "answer_keys",
    metadata,
    Column("key", String(64), primary_key=True),  # hash of model, options and prompt
    Column("evaluation", String(64), nullable=False),
    Column("row", Integer, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("epoch", Integer, nullable=False),  # grows by one with every change: compare-and-swap
    Column("state", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("rollout", String(128), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("rollout", String(128), primary_key=True),
    Column("segment", String(128), primary_key=True),
    Column("offset", BigInteger, primary_key=True),  # bytes: an event is folded once, by where it stands
    Column("kind", String(16), nullable=False),
    Column("request_id", String(64), index=True),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_at", Float, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)
