"""
Public signals.

All are sent after the transaction that caused them has been committed, with ``send_robust``: a receiver that fails is
logged and disturbs nobody. ``sender`` is the model class that the image belongs to (the historical ``None`` where that
class is no longer installed) and ``record`` the ``ModerationRecord``. A change is told at most once: a process that
dies right after its commit has told nobody.
"""

from django.dispatch import Signal

# Sent when a provider has accepted an image and will answer later; arguments: record.
image_submitted = Signal()

# Sent when a provider's verdict, its own or that of the same bytes, was applied to a record; arguments: record, verdict
# (a ``results.Verdict``).
verdict_received = Signal()

# Sent when a record became "passed"; arguments: record.
image_passed = Signal()

# Sent when a record became "blocked"; arguments: record.
image_blocked = Signal()

# Sent when a record became "in_review"; arguments: record.
image_held = Signal()

# Sent when a person decided, escalated or took a decision back; arguments: record, decision (a ``models.Decision``).
decision_made = Signal()

# Sent when it is known what became of a decision that was to be told to the provider; arguments: record, feedback (a
# ``models.Feedback``).
feedback_sent = Signal()

# Not public. Sent by services when a record has work to be done, for the configured dispatcher; arguments: public_id
# (of the record, a UUID), using (the database alias that holds it). Sender: ModerationRecord.
work_due = Signal()

# Not public. Sent when an authentic callback was stored, for the configured dispatcher; arguments: receipt (a
# ``models.CallbackReceipt``), callback (a ``results.Callback``). Sender: CallbackReceipt.
callback_stored = Signal()
