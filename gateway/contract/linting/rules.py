"""The list of our rules for APIs, each with its title and how it is mended."""

from typing import Final

from gateway.contract.linting import operations, paths, schemas
from gateway.contract.linting.rule import Rule

RULES: Final = (
    Rule(
        id="path.kebab_case",
        title="Paths are written-like-this, what is variable in them {like_this}",
        mend="Lower case, words joined by hyphens; the name of a path parameter joined by underscores.",
        check=paths.kebab_case,
    ),
    Rule(
        id="path.plural",
        title="A collection is a plural",
        mend="Call what stands before an id by what it holds, as a plural: /holds/{hold_id}.",
        check=paths.plural,
    ),
    Rule(
        id="path.no_verb",
        title="A path is made of nouns",
        mend="Let the method be the verb. What is done to one thing ends the path of a POST: enter it into ACTIONS.",
        check=paths.no_verbs,
    ),
    Rule(
        id="path.version",
        title="Path, info.version and server are of one version",
        mend="Write info.version as the version of the path, a minor and a patch, and the server as it is mounted.",
        check=paths.version,
    ),
    Rule(
        id="operation.id",
        title="An operation is a verb with its noun, in snake_case, once",
        mend="get_, list_, find_ or search_ for a GET; for what changes something, what it does: place_hold.",
        check=paths.operation_ids,
    ),
    Rule(
        id="operation.tag",
        title="An operation has one tag, which is declared and described",
        mend="Declare it below `tags` with name and description, and quote descriptions with commas.",
        check=paths.declared_tags,
    ),
    Rule(
        id="operation.described",
        title="An operation says what it is for, and who calls it",
        mend="Write a summary of up to 100 characters without a stop, and a description.",
        check=operations.described,
    ),
    Rule(
        id="operation.parameters_described",
        title="A parameter says what it means",
        mend="Give it a description.",
        check=operations.parameters_described,
    ),
    Rule(
        id="operation.secured",
        title="An operation asks for a scope, or says that it is public",
        mend="Write `security` with one scheme and its scope; `x-public: true` with an empty one is a decision.",
        check=operations.secured,
    ),
    Rule(
        id="operation.no_body_to_read",
        title="GET and DELETE take no body",
        mend="Use query parameters, or a POST that makes what it asks for.",
        check=operations.reads_without_body,
    ),
    Rule(
        id="operation.paged",
        title="A list is read page by page",
        mend="Take the shared parameters limit and cursor, and answer an object with items and next_cursor.",
        check=operations.paged,
    ),
    Rule(
        id="operation.located",
        title="201 and 202 say where the thing is",
        mend="Give the answer `links: {location: {operationId: get_…, parameters: …}}`.",
        check=operations.located,
    ),
    Rule(
        id="operation.keyed",
        title="What makes something can be repeated without making it twice",
        mend="Take the shared parameter idempotency_key, or require a business_key in the body.",
        check=operations.keyed,
    ),
    Rule(
        id="operation.etag",
        title="What has a version has an ETag",
        mend="Give the read's answer the header ETag.",
        check=operations.tagged,
    ),
    Rule(
        id="operation.refusals",
        title="Refusals are problems, and those that any call may meet are listed",
        mend="Merge the shared refusals into the answers: <<: *refusals.",
        check=operations.refusals,
    ),
    Rule(
        id="operation.known_problems",
        title="A problem is in the catalogue",
        mend="Enter the code into openapi/problems.yaml, and run `make generate`.",
        check=operations.known_problems,
    ),
    Rule(
        id="operation.examples",
        title="Bodies and answers have an example",
        mend="Write an example that follows the schema, with values from practice.",
        check=operations.exemplified,
    ),
    Rule(
        id="operation.json",
        title="Bodies and answers are JSON with a schema",
        mend="Use application/json, and name its schema.",
        check=operations.json_only,
    ),
    Rule(
        id="field.snake_case",
        title="Fields and parameters are written_like_this",
        mend="Lower case, words joined by underscores.",
        check=schemas.snake_case,
    ),
    Rule(
        id="field.time",
        title="An instant ends with _at, a day with _on or _date",
        mend="Rename the field, or give it the format that its name promises.",
        check=schemas.time,
    ),
    Rule(
        id="field.money",
        title="Money is decimal text with its currency",
        mend="Use the shared schema Money.",
        check=schemas.money,
    ),
    Rule(
        id="field.no_float",
        title="There are no binary numbers",
        mend="Use decimal text with a pattern, or an integer of a smaller unit.",
        check=schemas.no_floats,
    ),
    Rule(
        id="request.closed",
        title="A request takes no field that nobody declared",
        mend="Write additionalProperties: false, or the schema of the others.",
        check=schemas.closed,
    ),
    Rule(
        id="request.bounded_text",
        title="Text in a request has a greatest length",
        mend="Write maxLength, a pattern without * and +, or an enum.",
        check=schemas.bounded_strings,
    ),
    Rule(
        id="request.bounded_list",
        title="A list in a request has a greatest length",
        mend="Write maxItems.",
        check=schemas.bounded_lists,
    ),
    Rule(
        id="request.bounded_number",
        title="A number in a request has a least and a greatest value",
        mend="Write minimum and maximum.",
        check=schemas.bounded_numbers,
    ),
    Rule(
        id="schema.anchored",
        title="A pattern holds for the whole value",
        mend="Begin it with ^ and end it with $.",
        check=schemas.anchored,
    ),
    Rule(
        id="schema.typed_enum",
        title="Values that are listed have a type, and are there once",
        mend="Write type: string beside the enum.",
        check=schemas.typed_enums,
    ),
    Rule(
        id="schema.named",
        title="An object has a name",
        mend="Move it below components.schemas, and refer to it.",
        check=schemas.named_objects,
    ),
    Rule(
        id="schema.list_of",
        title="A list says of what it is one",
        mend="Write items.",
        check=schemas.lists_of_something,
    ),
    Rule(
        id="schema.required_exists",
        title="What is required is a field",
        mend="Declare the field, or take it out of required.",
        check=schemas.required_exists,
    ),
    Rule(
        id="answer.complete",
        title="An answer has every field, null where there is nothing",
        mend="Enter the field into required, and let it be null.",
        check=schemas.complete_answers,
    ),
)
