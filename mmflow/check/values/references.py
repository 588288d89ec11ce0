"""Names as values: what a file declares, and providers that an installed plugin brings."""

from mmflow.check import names, types
from mmflow.check.due import due, refuse
from mmflow.check.scope import Scope, path_of
from mmflow.diagnostics import Note
from mmflow.options import FieldType, ProviderName, Reference, Scalar
from mmflow.syntax import nodes


def unknown(expr: nodes.Ref, type_: FieldType, scope: Scope) -> None:
    """Report a name that an imported file does not have; it has no typed value."""
    reference = type_.type if isinstance(type_, Scalar) and issubclass(type_.type, Reference) else None
    known = scope.of_kinds(reference.kinds) if reference else list(scope.lets)
    scope.report(names.unknown_name(expr.name, expr.span, due(type_), known))


def is_declared(expr: nodes.Ref, scope: Scope) -> bool:
    """Whether a name is that of a block, known or not."""
    name = scope.full(expr)
    return name in scope.blocks or name in scope.strangers


def no_name(expr: nodes.Expr, type_: FieldType, scope: Scope) -> None:
    """Report what stands where a name is due: one of a file that is not imported, or no name at all."""
    path = path_of(expr) if isinstance(expr, nodes.Member) else None
    if path is None or scope.full(nodes.Ref(path.parts[0], path.span)) in (*scope.blocks, *scope.lets, *scope.aliases):
        return refuse(expr, type_, scope)
    first = path.parts[0]
    help = f'import the file that has it: `import "{first}.mmf" as {first}`'
    scope.report(names.unknown_name(str(path), expr.span, due(type_), (), help))
    return None


def declared(expr: nodes.Ref, kinds: tuple[str, ...], what: str, scope: Scope) -> str | None:
    """What a name that is declared as one of these kinds is called in the program; None (reported) where it is not."""
    name = scope.full(expr)
    block = scope.blocks.get(name)
    if name in scope.strangers:
        return None
    if block is None:
        help = f"write `{expr.name}.NAME`: `{expr.name}` is an import" if expr.name in scope.module(expr.span).imports else None
        scope.report(names.unknown_name(name, expr.span, what, () if help else scope.of_kinds(kinds), help))
        return None
    scope.used.add(name)
    if block.kind in kinds:
        return name
    notes = [Note(f"`{name}` is declared here", block.header)]
    message = f"expected {what}, got the {block.kind} `{name}`"
    scope.report(types.wrong_type(message, expr.span, notes=notes))
    return None


def provider(expr: nodes.Expr, scope: Scope) -> ProviderName | None:
    """A declared provider, or an installed plugin with its defaults; None (reported) where it is neither."""
    path = path_of(expr)
    if path is None:
        return refuse(expr, Scalar(ProviderName), scope, "providers are named without quotes")
    if isinstance(expr, nodes.Ref) and scope.full(expr) in scope.blocks:
        name = declared(expr, ("provider",), "a provider", scope)
        return ProviderName(name) if name is not None else None
    word = scope.word_path(path)
    with scope.aside() as found:
        installed = scope.word("provider", word, expr.span)
    if installed is not None:
        return ProviderName(scope.implicit_provider(word, expr.span))
    if isinstance(expr, nodes.Ref) and (near := scope.of_kinds(("provider",))):
        scope.report(names.unknown_name(scope.full(expr), expr.span, "a provider", near, found[0].help))
    else:
        scope.diagnostics.extend(found)
    return None
