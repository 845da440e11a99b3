"""Project templates: YAML documents of the installation. They say what a project needs and how it is divided."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema_rs
import msgspec
from msgspec import Meta, Struct

from gateway.yaml_text import NotYaml, loaded
from openapi.common.types import DimensionType, LegalEntityCode, Name
from openapi.process.project_onboarding.v1 import Slug
from openapi.system.psa.v1 import Hours

PartCode = Annotated[str, Meta(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")]
"""Becomes part of a business key; hence no underscore."""
RequiredField = Literal[
    "customer.tax_id",
    "links",
    "opportunity.url",
    "project.code",
    "project.type",
    "purchase_order",
    "purchase_order.limit",
    "purchase_order.valid_to",
    "splits",
]
"""What a statement of work may leave out, unless the template wants it."""


class TemplateError(Exception):
    """The templates do not hold; the text names each mistake, with file and field."""


class TemplateTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the work, and its parts."""

    code: PartCode
    name: Name
    planned_hours: Hours | None = None
    tasks: tuple["TemplateTask", ...] = ()


class TemplateMilestone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A result that every such project has, beside those of its statement of work."""

    code: PartCode
    name: Name
    days_after_start: Annotated[int, Meta(ge=0, le=3650)]


class ProjectTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of project. A version is used up once: a change counts it up."""

    code: Slug
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    name: Name
    project_type: Slug
    legal_entities: tuple[LegalEntityCode, ...] | None = None
    """Who may use it; left out, all."""
    required_fields: tuple[RequiredField, ...] = ()
    required_dimensions: tuple[DimensionType, ...] = ()
    native_templates: dict[str, Name] = {}
    """By vendor: the PSA's own template that is copied, in place of `tasks`."""
    tasks: tuple[TemplateTask, ...] = ()
    milestones: tuple[TemplateMilestone, ...] = ()

    def walk(self) -> Iterator[tuple[TemplateTask, TemplateTask | None]]:
        """Yield each task with its parent, parents first."""
        waiting: list[tuple[TemplateTask, TemplateTask | None]] = [(task, None) for task in self.tasks]
        while waiting:
            task, parent = waiting.pop(0)
            yield task, parent
            waiting[:0] = [(part, task) for part in task.tasks]


Templates = Mapping[str, ProjectTemplate]


def load_templates(folder: Path) -> Templates:
    """Return the folder's templates by their codes; raises TemplateError with all mistakes."""
    found: dict[str, ProjectTemplate] = {}
    mistakes: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            template = _load(path)
        except TemplateError as error:
            mistakes.append(str(error))
            continue
        if template.code in found:
            mistakes.append(f"{path}: code: {template.code} is taken by another file.")
        mistakes += [f"{path}: {code} names two parts." for code in _used_twice(template)]
        found[template.code] = template
    if mistakes:
        raise TemplateError("\n".join(mistakes))
    return found


def _load(path: Path) -> ProjectTemplate:
    try:
        raw = loaded(path.read_text("utf-8"))
    except (OSError, UnicodeError, NotYaml) as error:
        raise TemplateError(f"{path} cannot be read: {error}") from error
    validator = jsonschema_rs.Draft202012Validator(_schema())
    mistakes = [
        f"{path}: {'.'.join(map(str, error.instance_path)) or 'the document'}: {error.message}"
        for error in validator.iter_errors(raw)
    ]
    if mistakes:
        raise TemplateError("\n".join(mistakes))
    return msgspec.convert(raw, ProjectTemplate)


def _schema() -> dict[str, Any]:
    """Return the schema of a template; JSON Schema spells the end of a pattern otherwise than Python does."""
    text = msgspec.json.encode(msgspec.json.schema(ProjectTemplate))
    schema: dict[str, Any] = msgspec.json.decode(text.replace(rb"\\Z", b"$"))
    return schema


def _used_twice(template: ProjectTemplate) -> list[str]:
    tasks = [task.code for task, _ in template.walk()]
    milestones = [milestone.code for milestone in template.milestones]
    return sorted({code for codes in (tasks, milestones) for code in codes if codes.count(code) > 1})
