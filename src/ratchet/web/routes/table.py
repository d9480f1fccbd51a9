"""Every operation of the service, in one list: the hot ones first."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from ratchet.records.app import App
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.key import Key
from ratchet.records.lesson import Lesson
from ratchet.web.gateway import completions, models
from ratchet.web.pages import FeedbackQuery, TraceQuery
from ratchet.web.routes import apps, feedback, gaps, health, keys, releases, review, traces
from ratchet.web.routing import LARGEST_BATCH, Route
from ratchet.wire import apps as wire_apps
from ratchet.wire import feedback as wire_feedback
from ratchet.wire import gaps as wire_gaps
from ratchet.wire import keys as wire_keys
from ratchet.wire import releases as wire_releases
from ratchet.wire import review as wire_review
from ratchet.wire import traces as wire_traces
from ratchet.wire.limits import AppName

LISTS = ("application/json", "application/jsonl", "text/csv")
OTLP = ("application/x-protobuf", "application/json")
PROVIDER = (400, 402, 403, 405, 408, 409, 410, 429, 500, 502, 503, 504)


class OneQuery(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """The app, where the same id is known in several."""

    app: AppName = ""


class StatusQuery(OneQuery, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """The token of the status link."""

    token: Annotated[str, Meta(max_length=1000)] = ""


GATEWAY = (
    Route(method="POST", path="/v1/chat/completions", handler=completions.create_chat_completion, scope="answer",
          takes=completions.ChatIn, any_text=True, gives=dict[str, Any], largest=LARGEST_BATCH, tag="gateway",
          sends=("application/json", "text/event-stream"), also=PROVIDER),
    Route(method="POST", path="/v1/responses", handler=completions.create_response, scope="answer",
          takes=completions.ResponsesIn, any_text=True, gives=dict[str, Any], largest=LARGEST_BATCH, tag="gateway",
          sends=("application/json", "text/event-stream"), also=PROVIDER),
    Route(method="POST", path="/v1/embeddings", handler=models.create_embeddings, scope="answer",
          takes=models.EmbeddingsIn, any_text=True, gives=dict[str, Any], largest=LARGEST_BATCH, tag="gateway",
          also=PROVIDER),
    Route(method="GET", path="/v1/models", handler=models.list_models, scope="answer", gives=dict[str, Any],
          tag="gateway"),
    Route(method="GET", path="/v1/models/{id}", handler=models.get_model, scope="answer", gives=dict[str, Any],
          tag="gateway"),
)  # fmt: skip
CAPTURE = (
    Route(method="POST", path="/v1/feedback", handler=feedback.give_feedback, scope="write", by_token=True,
          takes=wire_feedback.FeedbackIn, gives=wire_feedback.FeedbackAck, status=201, also=(200, 403), tag="feedback",
          media=("application/json", "text/plain")),
    Route(method="POST", path="/v1/feedback/batch", handler=feedback.give_feedback_batch, scope="write",
          takes=wire_feedback.FeedbackBatchIn, any_text=True, gives=wire_feedback.BatchAck, largest=LARGEST_BATCH,
          tag="feedback"),
    Route(method="POST", path="/v1/traces/batch", handler=traces.send_traces, scope="write",
          takes=wire_traces.TraceBatchIn, any_text=True, gives=wire_feedback.BatchAck, largest=LARGEST_BATCH,
          tag="traces"),
    Route(method="POST", path="/v1/traces", handler=traces.send_otlp_traces, scope="write", takes=bytes, media=OTLP,
          sends=OTLP, largest=LARGEST_BATCH, tag="traces"),
    Route(method="POST", path="/v1/logs", handler=traces.send_otlp_logs, scope="write", takes=bytes, media=OTLP,
          sends=OTLP, largest=LARGEST_BATCH, tag="traces"),
    Route(method="GET", path="/v1/feedback", handler=feedback.list_feedback, scope="read", asks=FeedbackQuery,
          gives=wire_feedback.FeedbackPage, sends=LISTS, tag="feedback"),
    Route(method="POST", path="/v1/feedback/tokens", handler=feedback.make_feedback_token, scope="write",
          takes=wire_feedback.TokenIn, gives=wire_feedback.TokenOut, tag="feedback"),
    Route(method="GET", path="/v1/feedback/{id}", handler=feedback.get_feedback, scope="read",
          asks=OneQuery, gives=Feedback, tag="feedback"),
    Route(method="GET", path="/v1/feedback/{id}/status", handler=feedback.follow_feedback, scope="read",
          by_token=True, asks=StatusQuery,
          gives=wire_feedback.FeedbackStatus, also=(401,), tag="feedback"),
    Route(method="POST", path="/v1/gaps", handler=gaps.report_gap, scope="write", takes=wire_gaps.GapIn,
          gives=wire_gaps.GapOut, tag="traces"),
    Route(method="GET", path="/v1/traces", handler=traces.list_traces, scope="read", asks=TraceQuery,
          gives=wire_traces.TracePage, sends=LISTS, tag="traces"),
    Route(method="GET", path="/v1/traces/{id}", handler=traces.get_trace, scope="read",
          gives=wire_traces.TraceDetail, tag="traces"),
)  # fmt: skip
APPS = (
    Route(method="GET", path="/v1/apps", handler=apps.list_apps, scope="read", gives=list[wire_apps.AppOut],
          tag="apps"),
    Route(method="GET", path="/v1/apps/{app}", handler=apps.get_app, scope="read", gives=wire_apps.AppOut, tag="apps"),
    Route(method="PUT", path="/v1/apps/{app}", handler=apps.declare_app, scope="write", takes=wire_apps.AppIn,
          gives=App, tag="apps"),
    Route(method="PUT", path="/v1/apps/{app}/knowledge", handler=apps.set_knowledge, scope="write",
          takes=wire_apps.KnowledgeIn, gives=wire_apps.KnowledgeOut, largest=LARGEST_BATCH, tag="apps"),
    Route(method="POST", path="/v1/apps/{app}/answer", handler=apps.answer_question, scope="answer",
          takes=wire_apps.AskIn, gives=wire_apps.AnswerOut, also=(502,), tag="apps"),
    Route(method="POST", path="/v1/apps/{app}/learned", handler=apps.get_learned, scope="answer",
          takes=wire_apps.AskIn, gives=wire_apps.LearnedOut, tag="apps"),
    Route(method="GET", path="/v1/apps/{app}/release", handler=apps.get_release_content, scope="answer",
          gives=wire_apps.ReleaseContent, also=(304,), tag="apps"),
    Route(method="POST", path="/v1/apps/{app}/learn", handler=apps.run_turn, scope="release",
          takes=wire_apps.LearnIn, gives=wire_apps.LearnOut, also=(502,), tag="apps"),
)  # fmt: skip
REVIEW = (
    Route(method="GET", path="/v1/apps/{app}/queue", handler=review.get_queue, scope="review",
          asks=review.QueueQuery, gives=wire_review.QueueOut, tag="review"),
    Route(method="GET", path="/v1/cases/{id}", handler=review.get_case, scope="review", gives=wire_review.CaseDetail,
          tag="review"),
    Route(method="POST", path="/v1/cases/{id}/reserve", handler=review.reserve_case, scope="review",
          takes=wire_review.ReserveIn, gives=Case, tag="review"),
    Route(method="POST", path="/v1/cases/{id}/verdict", handler=review.give_verdict, scope="review",
          takes=wire_review.VerdictIn, gives=wire_review.DecidedOut, tag="review"),
    Route(method="GET", path="/v1/apps/{app}/lessons", handler=releases.list_lessons, scope="read",
          gives=wire_releases.LessonsOut, tag="lessons"),
    Route(method="GET", path="/v1/lessons/{id}", handler=releases.get_lesson, scope="read", gives=Lesson,
          tag="lessons"),
    Route(method="POST", path="/v1/lessons/{id}/revoke", handler=releases.revoke_lesson, scope="release",
          takes=wire_releases.RevokeIn, gives=Lesson, tag="lessons"),
)  # fmt: skip
RELEASES = (
    Route(method="GET", path="/v1/apps/{app}/releases", handler=releases.list_releases, scope="read",
          gives=wire_releases.ReleasesOut, tag="releases"),
    Route(method="GET", path="/v1/apps/{app}/releases/{number}", handler=releases.get_release, scope="read",
          gives=wire_releases.ReleaseDetail, tag="releases"),
    Route(method="POST", path="/v1/apps/{app}/rollback", handler=releases.roll_back, scope="release",
          takes=wire_releases.MoveIn, gives=wire_releases.MovedOut, tag="releases"),
    Route(method="POST", path="/v1/apps/{app}/promote", handler=releases.promote_release, scope="release",
          takes=wire_releases.MoveIn, gives=wire_releases.MovedOut, tag="releases"),
    Route(method="GET", path="/v1/audit", handler=releases.list_audit, scope="read", asks=releases.AuditQuery,
          gives=wire_releases.AuditOut, tag="audit"),
    Route(method="GET", path="/v1/keys", handler=keys.list_keys, scope="admin", gives=wire_keys.KeysOut, tag="keys"),
    Route(method="POST", path="/v1/keys", handler=keys.create_key, scope="admin", takes=wire_keys.KeyIn,
          gives=wire_keys.KeyMade, status=201, tag="keys"),
    Route(method="POST", path="/v1/keys/rotate-tokens", handler=keys.rotate_tokens, scope="admin",
          gives=wire_keys.RotatedOut, tag="keys"),
    Route(method="DELETE", path="/v1/keys/{id}", handler=keys.delete_key, scope="admin", gives=Key, tag="keys"),
)  # fmt: skip
HEALTH = (
    Route(method="GET", path="/healthz", handler=health.get_health, gives=health.Health, tag="health"),
    Route(method="GET", path="/readyz", handler=health.get_readiness, gives=dict[str, Any], also=(503,), tag="health"),
    Route(method="GET", path="/metrics", handler=health.get_metrics, sends=("text/plain",), tag="health"),
    Route(method="GET", path="/openapi.json", handler=health.get_openapi, gives=dict[str, Any], tag="health"),
    Route(method="GET", path="/ratchet.js", handler=health.get_snippet, sends=("text/javascript",), tag="health"),
)  # fmt: skip
ROUTES = (*GATEWAY, *CAPTURE, *APPS, *REVIEW, *RELEASES, *HEALTH)
