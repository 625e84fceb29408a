"""Functions out of a file of a checkout whose other imports are not installed."""

import ast
import __future__
import builtins
import math
import sys
import textwrap
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import torch
import torch.nn as nn
import torch.nn.functional as F


def take(path, names):
    """The functions and classes of those names, by name, compiled from the file as it is."""
    path = Path(path)
    if not path.is_file():
        sys.exit(f"{path}: there is no such file; the path of a checkout is needed")
    tree = ast.parse(path.read_text(), str(path))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    space = dict(torch=torch, nn=nn, F=F, Dict=Dict, List=List, Optional=Optional, Tuple=Tuple, Union=Union)
    space.update(math=math, textwrap=textwrap)
    # What a class is derived from, or keeps as a default, and no loss looks at.
    missing = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {*names, *space, *dir(builtins)}
    # Decorators are of what no loss does.
    for node in ast.walk(tree):
        if getattr(node, "decorator_list", []):
            node.decorator_list = [x for x in node.decorator_list if isinstance(x, ast.Name) and x.id not in missing]
    bases = {base.id for node in tree.body for base in getattr(node, "bases", []) if isinstance(base, ast.Name)}
    space.update({name: object if name in bases else None for name in missing})
    # Annotations name types that nobody needs here.
    exec(compile(tree, str(path), "exec", flags=__future__.annotations.compiler_flag), space)
    absent = [name for name in names if name not in space]
    if absent:
        sys.exit(f"{path}: has no {', '.join(absent)}")
    return space
