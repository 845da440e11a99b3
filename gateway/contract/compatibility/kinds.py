"""Every kind of change, and whether it breaks callers. What is not said to be safe breaks: nobody has looked at it yet.

Requests and answers are mirror images. What is sent must go on being accepted: a request may ask for less, never for
more. What is answered must go on being understood: an answer may promise more, never less.
"""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What happened. The first word says to what: the contract, an operation, a request or an answer."""

    contract_words_changed = "contract.words_changed"
    """Descriptions, examples, titles, tags: what people read and no program does."""
    contract_keyword_changed = "contract.keyword_changed"
    """Something that this comparison does not know."""
    contract_scheme_changed = "contract.security_scheme_changed"

    operation_added = "operation.added"
    operation_removed = "operation.removed"
    operation_renamed = "operation.renamed"
    """Another operationId: generated clients name their functions after it."""
    operation_deprecated = "operation.deprecated"
    operation_restored = "operation.restored"
    """Deprecated no longer."""
    operation_words_changed = "operation.words_changed"
    operation_keyword_changed = "operation.keyword_changed"
    operation_scope_added = "operation.scope_added"
    operation_scope_removed = "operation.scope_removed"
    operation_closed = "operation.closed_to_strangers"
    operation_opened = "operation.opened_to_strangers"
    operation_security_tightened = "operation.security_tightened"
    operation_security_loosened = "operation.security_loosened"
    operation_further_scope_added = "operation.further_scope_added"
    operation_further_scope_removed = "operation.further_scope_removed"
    operation_problem_added = "operation.problem_added"
    operation_problem_removed = "operation.problem_removed"

    parameter_added = "request.parameter.added"
    parameter_required_added = "request.parameter.required_added"
    parameter_removed = "request.parameter.removed"
    parameter_renamed = "request.parameter.renamed"
    """In the path: nothing on the wire, but an argument of generated clients."""
    parameter_required = "request.parameter.became_required"
    parameter_optional = "request.parameter.became_optional"

    body_added = "request.body.added"
    body_required_added = "request.body.required_added"
    body_removed = "request.body.removed"
    body_required = "request.body.became_required"
    body_optional = "request.body.became_optional"
    body_size_lowered = "request.body.size_lowered"
    body_size_raised = "request.body.size_raised"
    request_media_type_added = "request.media_type.added"
    request_media_type_removed = "request.media_type.removed"

    request_property_added = "request.property.added"
    request_property_required_added = "request.property.required_added"
    request_property_removed = "request.property.removed"
    request_property_required = "request.property.became_required"
    request_property_optional = "request.property.became_optional"
    request_type_narrowed = "request.type.narrowed"
    request_type_widened = "request.type.widened"
    request_null_removed = "request.null.removed"
    request_null_added = "request.null.added"
    request_value_removed = "request.value.removed"
    request_value_added = "request.value.added"
    request_rule_narrowed = "request.rule.narrowed"
    """A limit, a pattern or a format."""
    request_rule_widened = "request.rule.widened"
    request_rule_changed = "request.rule.changed"
    """To something else: more is accepted, and less."""
    request_object_closed = "request.object.closed"
    request_object_opened = "request.object.opened"
    request_choice_removed = "request.choice.removed"
    request_choice_added = "request.choice.added"
    request_default_changed = "request.default.changed"
    request_default_added = "request.default.added"
    request_keyword_changed = "request.keyword_changed"
    request_words_changed = "request.words_changed"

    status_added = "answer.status.added"
    status_removed = "answer.status.removed"
    refusal_added = "answer.refusal.added"
    refusal_removed = "answer.refusal.removed"
    header_added = "answer.header.added"
    header_removed = "answer.header.removed"
    header_optional = "answer.header.became_optional"
    header_required = "answer.header.became_required"
    link_added = "answer.link.added"
    link_removed = "answer.link.removed"
    link_changed = "answer.link.changed"
    answer_media_type_added = "answer.media_type.added"
    answer_media_type_removed = "answer.media_type.removed"

    answer_property_added = "answer.property.added"
    answer_property_added_to_closed = "answer.property.added_to_closed"
    answer_property_removed = "answer.property.removed"
    answer_property_optional = "answer.property.became_optional"
    answer_property_required = "answer.property.became_required"
    answer_type_widened = "answer.type.widened"
    answer_type_narrowed = "answer.type.narrowed"
    answer_null_added = "answer.null.added"
    answer_null_removed = "answer.null.removed"
    answer_value_added = "answer.value.added"
    """Programs that list the values do not know it."""
    answer_value_removed = "answer.value.removed"
    answer_rule_widened = "answer.rule.widened"
    answer_rule_narrowed = "answer.rule.narrowed"
    answer_rule_changed = "answer.rule.changed"
    answer_object_opened = "answer.object.opened"
    answer_object_closed = "answer.object.closed"
    answer_choice_added = "answer.choice.added"
    answer_choice_removed = "answer.choice.removed"
    answer_default_changed = "answer.default.changed"
    answer_keyword_changed = "answer.keyword_changed"
    answer_words_changed = "answer.words_changed"


SAFE: Final = frozenset(
    {
        Kind.contract_words_changed,
        Kind.operation_added,
        Kind.operation_deprecated,
        Kind.operation_restored,
        Kind.operation_words_changed,
        Kind.operation_scope_removed,
        Kind.operation_opened,
        Kind.operation_security_loosened,
        Kind.operation_further_scope_added,
        Kind.operation_problem_added,
        Kind.operation_problem_removed,
        Kind.parameter_added,
        Kind.parameter_optional,
        Kind.body_added,
        Kind.body_optional,
        Kind.body_size_raised,
        Kind.request_media_type_added,
        Kind.request_property_added,
        Kind.request_property_optional,
        Kind.request_type_widened,
        Kind.request_null_added,
        Kind.request_value_added,
        Kind.request_rule_widened,
        Kind.request_object_opened,
        Kind.request_choice_added,
        Kind.request_default_added,
        Kind.request_words_changed,
        Kind.refusal_added,
        Kind.refusal_removed,
        Kind.header_added,
        Kind.header_required,
        Kind.link_added,
        Kind.answer_media_type_added,
        Kind.answer_property_added,
        Kind.answer_property_required,
        Kind.answer_type_narrowed,
        Kind.answer_null_removed,
        Kind.answer_value_removed,
        Kind.answer_rule_narrowed,
        Kind.answer_object_closed,
        Kind.answer_choice_removed,
        Kind.answer_default_changed,
        Kind.answer_words_changed,
    }
)
"""Programs that were written against the older document go on working. Every other kind breaks them."""

WORDS: Final = frozenset(
    {
        Kind.contract_words_changed,
        Kind.operation_words_changed,
        Kind.request_words_changed,
        Kind.answer_words_changed,
    }
)
"""Only people notice."""
