"""What can be wrong with the file of a saved model, and how to put it there."""

import json

import numpy as np


def rewrite(path, change, *, header=True):
    """Write the file again with its header or its arrays changed."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if header:
        content = json.loads(arrays["header"].tobytes())
        change(content)
        arrays["header"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    else:
        change(arrays)
    np.savez(path, **arrays)


HEADER_FAULTS = {
    "newer schema": lambda h: h.update(schema=2),
    "no schema": lambda h: h.pop("schema"),
    "no formulas": lambda h: h.pop("formulas"),
    "unknown option": lambda h: h["settings"].update(depth=3),
    "bad option": lambda h: h["settings"].update(steps=0),
    "other width": lambda h: h["settings"].update(hidden=[8, 8]),
    "other dtype": lambda h: h["settings"].update(dtype="float32"),
    "bad dimension": lambda h: h["formulas"].update(dim=-1),
    "text for a list": lambda h: h["formulas"].update(generators="q1*p2"),
    "bad state": lambda h: h["random_state"].update(state="x"),
    "bad result": lambda h: h["result"].update(extra=1),
}

ARRAY_FAULTS = {
    "no weights": lambda a: a.pop("weights"),
    "no header": lambda a: a.pop("header"),
    "header of floats": lambda a: a.update(header=np.zeros(3)),
    "header not JSON": lambda a: a.update(header=np.frombuffer(b"{", np.uint8)),
    "header a list": lambda a: a.update(header=np.frombuffer(b"[]", np.uint8)),
    "few weights": lambda a: a.update(weights=a["weights"][:-1]),
    "weights of another dtype": lambda a: a.update(weights=a["weights"].astype("f4")),
    "weights not finite": lambda a: a.update(weights=a["weights"] * np.nan),
    "weights of objects": lambda a: a.update(weights=np.array([print], dtype=object)),
    "no history": lambda a: a.pop("history_elbo"),
}
