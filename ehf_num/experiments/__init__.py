"""The paper's experiments, each a function of its settings that returns what it measured."""
