"""A database never seen before: what its tables are, and how they could stand for the source contract.

`survey` looks (a few rows of every table), `entities_found` and `references` recognise, `proposal` puts it together. Names are
judged by the vocabulary of `vocabulary`; every conclusion carries its evidence in words.
"""
