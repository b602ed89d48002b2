"""What the service counts, for Prometheus (docs/serve.md lists the names). Nothing of what was asked is in it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Those of one service, in a registry of its own."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        self.requests = Counter("tricue_requests", "Requests, by route and status", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "tricue_request_seconds", "Time to the answer, by route", ["route"], buckets=_SECONDS, registry=own
        )  # fmt: skip
        self.batches = Histogram("tricue_batch_size", "Texts of a batch", buckets=_SIZES, registry=own)
        self.waiting = Gauge("tricue_texts_waiting", "Texts that wait for the model", registry=own)
        self.clips = Gauge("tricue_clips_in_hand", "Uploads received or worked on", registry=own)
        self.kills = Counter(
            "tricue_decoder_kills", "Decoders that ended before their work did, by cause", ["cause"], registry=own
        )  # fmt: skip
        self.decoders = Gauge("tricue_decoders", "Decoders that run", registry=own)

    def text(self) -> bytes:
        return generate_latest(self.registry)
