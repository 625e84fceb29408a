"""Functions out of a file of a checkout whose other imports are not installed."""

import ast
import builtins
import sys
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
    # What a class is derived from, or keeps as a default, and no loss looks at.
    missing = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(names) - set(space)
    space.update({name: None for name in missing if not hasattr(builtins, name)})
    exec(compile(tree, str(path), "exec"), space)
    absent = [name for name in names if name not in space]
    if absent:
        sys.exit(f"{path}: has no {', '.join(absent)}")
    return space
