"""SASRec as RecTools, RecBole and torch-rechub train it; each trains until the clock says that the goal is reached or the time is up."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from leave_last import Floats, Histories, Ints
from training_clock import Clock


def padded(histories: Histories, users: Ints, length: int, shift: int) -> Ints:
    """The last `length` items of `users` `[n, length]`, padded with 0 at the front; items are moved up by `shift`."""
    rows = histories.offsets[users + 1][:, None] - length + np.arange(length)
    return np.where(rows >= histories.offsets[users][:, None], histories.item[np.maximum(rows, 0)] + shift, 0)


Encode = Callable[[Histories], tuple[Floats, Floats]]
"""Vectors of the validation users after such histories, and of all items."""


def rectools(train: Histories, users: Ints, n_items: int, size: dict[str, Any], clock: Clock, loss: str, n_negatives: int | None) -> Encode:
    """RecTools' SASRecModel with its LiGR layers; asked after each epoch. What comes back encodes by the last epoch's model."""
    import pandas as pd
    from pytorch_lightning import Callback, Trainer
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel
    from rectools.models.nn.transformers.ligr import LiGRLayers

    def encode(histories: Histories) -> tuple[Floats, Floats]:
        network = model.lightning_model.torch_model.eval()
        # An item that training has not met gets the vector of the padding.
        place = model.data_preparator.item_id_map.to_internal.reindex(np.arange(n_items)).fillna(0).to_numpy().astype(np.int64)
        up = padded(histories, users, size["length"], 1)
        x = np.where(up > 0, place[np.maximum(up - 1, 0)], 0)
        with torch.no_grad():
            table = network.item_model.get_all_embeddings()
            parts = [network.encode_sessions({"x": torch.from_numpy(part)}, table)[:, -1] for part in np.array_split(x, 20)]
        return torch.cat(parts).numpy(), table[torch.from_numpy(place)].detach().numpy()

    class Ask(Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            clock.start()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            clock.step(int((batch["y"] > 0).sum()))

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            clock.pause()
            trainer.should_stop = clock.check(*encode(train))
            module.train()

    def trainer() -> Any:
        plain = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
        return Trainer(max_epochs=10_000, min_epochs=1, accelerator="cpu", devices=1, callbacks=[Ask()], **plain)

    when = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(len(train.item)), unit="s")
    frame = pd.DataFrame({Columns.User: train.user, Columns.Item: train.item, Columns.Weight: 1.0, Columns.Datetime: when})
    model = SASRecModel(
        n_factors=size["dim"],
        n_blocks=size["layers"],
        n_heads=size["heads"],
        session_max_len=size["length"],
        dropout_rate=size["dropout"],
        loss=loss,
        n_negatives=n_negatives or 1,
        lr=1e-3,
        batch_size=128,
        transformer_layers_type=LiGRLayers,
        use_key_padding_mask=True,
        get_trainer_func=trainer,
        deterministic=False,
    )
    model.fit(Dataset.construct(frame))
    return encode


def rechub(train: Histories, users: Ints, n_items: int, size: dict[str, Any], clock: Clock) -> None:
    """torch-rechub's SASRec: binary cross-entropy of each next item against one drawn item; asked after each epoch."""
    from torch_rechub.basic.features import SequenceFeature
    from torch_rechub.models.matching import SASRec

    def feature(name: str, shared: str | None) -> Any:
        return SequenceFeature(name, vocab_size=n_items + 1, embed_dim=size["dim"], pooling="concat", shared_with=shared, padding_idx=0)

    features = [feature("seq", None), feature("pos_item", "seq"), feature("neg_item", "seq")]
    model = SASRec(features, max_len=size["length"], dropout_rate=size["dropout"], num_blocks=size["layers"], num_heads=size["heads"])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    long = torch.from_numpy(padded(train, np.arange(train.n_users), size["length"] + 1, 1))
    asked = torch.from_numpy(padded(train, users, size["length"], 1))
    rng = torch.Generator().manual_seed(0)
    stop = False
    clock.start()
    while not stop:
        for rows in torch.randperm(train.n_users, generator=rng).split(128):
            seq, pos = long[rows, :-1], long[rows, 1:]
            neg = torch.randint(1, n_items + 1, pos.shape, generator=rng)
            good, bad = model({"seq": seq, "pos_item": pos, "neg_item": neg})
            real = seq > 0
            loss = -(torch.nn.functional.logsigmoid(good[real]).mean() + torch.nn.functional.logsigmoid(-bad[real]).mean())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            clock.step(int(real.sum()))
        clock.pause()
        model.eval()
        with torch.no_grad():
            parts = [
                model.seq_forward({"seq": part}, model.item_emb({"seq": part}, features[:1])[:, 0])[:, -1] for part in asked.split(256)
            ]
            table = model.item_emb.embed_dict["seq"].weight[1:].detach()
        model.train()
        stop = clock.check(torch.cat(parts).numpy(), table.numpy())


def recbole(train: Histories, users: Ints, n_items: int, size: dict[str, Any], clock: Clock, steps: int = 20) -> None:
    """RecBole's SASRec with cross-entropy over all items: each prefix of a history is an example; asked every `steps` steps."""
    # RecBole 1.2 asks for names that NumPy 2 has taken away.
    for name, kind in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_), ("bool8", np.bool_)):
        setattr(np, name, kind)
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec

    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "ml" / "ml.inter"
        name.parent.mkdir()
        lines = [f"{user}\t{item}\t{at}" for at, (user, item) in enumerate(zip(train.user.tolist(), train.item.tolist(), strict=True))]
        name.write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "\n".join(lines) + "\n")
        config = Config(
            model="SASRec",
            dataset="ml",
            config_dict={
                "data_path": folder,
                "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
                "MAX_ITEM_LIST_LENGTH": size["length"],
                "hidden_size": size["dim"],
                "inner_size": 4 * size["dim"],
                "n_layers": size["layers"],
                "n_heads": size["heads"],
                "hidden_dropout_prob": size["dropout"],
                "attn_dropout_prob": size["dropout"],
                "loss_type": "CE",
                "train_neg_sample_args": None,
                "train_batch_size": 2048,
                "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": "user", "mode": "full"},
                "use_gpu": False,
                "show_progress": False,
                "state": "ERROR",
            },
        )
        dataset = create_dataset(config)
        batches = data_preparation(config, dataset)[0]
    model = SASRec(config, batches.dataset)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # An item that training has not met gets the vector of the padding.
    place, met = np.zeros(n_items, np.int64), np.unique(train.item)
    place[met] = dataset.token2id("item_id", met.astype(str))
    real = padded(train, users, size["length"], 1)
    count = (real > 0).sum(1)
    # RecBole pads at the end.
    left = np.take_along_axis(real, (np.arange(size["length"]) + (size["length"] - count)[:, None]) % size["length"], 1)
    asked, sizes = torch.from_numpy(np.where(left > 0, place[np.maximum(left - 1, 0)], 0)), torch.from_numpy(count)
    stop = False
    clock.start()
    while not stop:
        for interaction in batches:
            optimizer.zero_grad()
            model.calculate_loss(interaction).backward()
            optimizer.step()
            clock.step(len(interaction))
            if clock.steps % steps == 0:
                clock.pause()
                model.eval()
                with torch.no_grad():
                    parts = [model.forward(x, n) for x, n in zip(asked.split(256), sizes.split(256), strict=True)]
                    table = model.item_embedding.weight[torch.from_numpy(place)].detach()
                model.train()
                stop = clock.check(torch.cat(parts).numpy(), table.numpy())
                if stop:
                    break
