"""No class of the package is too large to be understood.

A class has at most 250 lines, from its first decorator on, and at most 15 fields. Its fields are the names that it sets
on ``self`` anywhere, and those that a dataclass or ``__slots__`` declares. Not counted are

- what an operator or a sensor keeps of its arguments under their own names, since Airflow renders templates there;
- the keys of documents (``TypedDict``, pydantic's models, msgspec's structs), of which Jicoo or a file has as many as
  it has.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import airflow_provider_jicoo

ROOT = Path(airflow_provider_jicoo.__file__).parent
LINES, FIELDS = 250, 15
DOCUMENTS = {"TypedDict", "BaseModel", "Struct"}


def test_no_class_is_too_large():
    assert {name: size for name, size in sizes(ROOT).items() if size[0] > LINES or size[1] > FIELDS} == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("class A:\n    def f(self):\n        self.a = self.b = 1\n        self.a += 1\n", (4, 2)),
        ("@dataclass\nclass A:\n    a: int\n    b: ClassVar[int] = 1\n", (4, 1)),
        ("class A:\n    __slots__ = ('a', 'b')\n    def f(self):\n        self.a = 1\n", (4, 2)),
        ("class A:\n    def f(self):\n        (self.a, self.b), self.c.d = 1, 2\n", (3, 2)),
        ("class A(TypedDict):\n    a: int\n", (2, 0)),
        ("class B(TypedDict):\n    b: int\nclass A(B):\n    a: int\n", (2, 0)),
        ("class A:\n    def __init__(self, a, *, b):\n        self.a = a\n        self.b = b\n", (4, 2)),
        ("class A(BaseOperator):\n    def __init__(self, a, *, b):\n        self.a = a\n        self._b = b\n", (4, 1)),
    ],
)
def test_what_is_counted(tmp_path, text, size):
    (tmp_path / "module.py").write_text(text)
    assert sizes(tmp_path)["module.py: A"] == size


def sizes(folder):
    classes = {
        (str(file.relative_to(folder)), found.name): found
        for file in sorted(folder.rglob("*.py"))
        for found in ast.walk(ast.parse(file.read_text()))
        if isinstance(found, ast.ClassDef)
    }
    bases = {}
    for (_, name), found in classes.items():
        bases.setdefault(name, set()).update(
            base for each in found.bases if (base := ast.unparse(each).split("[")[0].split(".")[-1]) != name
        )
    return {f"{file}: {name}": (length(found), len(fields(found, bases))) for (file, name), found in classes.items()}


def above(name, bases):
    found = {name}
    todo = [name]
    while todo:
        for base in bases.get(todo.pop(), ()):
            if base not in found:
                found.add(base)
                todo.append(base)
    return found


def length(found):
    first = min([found.lineno, *(each.lineno for each in found.decorator_list)])
    return found.end_lineno - first + 1


def fields(found, bases):
    ancestry = above(found.name, bases)
    if ancestry & DOCUMENTS:
        return set()
    names = {target.attr for target in ast.walk(found) if is_set_on_self(target)}
    if ancestry & {"BaseOperator", "BaseSensorOperator"}:
        names -= kept_arguments(found)
    return names | declared(found)


def is_set_on_self(node):
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def kept_arguments(found):
    return {
        target.attr
        for each in ast.walk(found)
        if isinstance(each, (ast.Assign, ast.AnnAssign))
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if is_set_on_self(target) and isinstance(each.value, ast.Name) and each.value.id == target.attr
    }


def declared(found):
    names = set()
    is_dataclass = any("dataclass" in ast.unparse(each) for each in found.decorator_list)
    for each in found.body:
        if isinstance(each, ast.AnnAssign) and is_dataclass and "ClassVar" not in ast.unparse(each.annotation):
            names.add(each.target.id)
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__slots__":
            names |= set(ast.literal_eval(each.value))
    return names
