"""Small deliberate faults. Each has to make at least one of its tests fail; `test_faults.py` tries them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A change of one text in one file of `src/convatlas`, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


PAPER = ("tests/papers/test_lenet_1998.py", "tests/models/test_lenet.py")
RUN = ("tests/train/test_run.py",)
SAVE = ("tests/test_checkpoint.py",)
FAST = ("tests/train/test_fast_layers.py",)
CHECK = ("tests/data/test_check.py", "tests/data/test_copies.py")
NEAR = ("tests/data/test_near.py",)
NUMERICS = ("tests/train/test_numerics.py",)
LOST = ("tests/train/test_lost_images.py",)

FAULTS = (
    Fault("full C3", "models/lenet.py", 'int(mark == "X")', "1", PAPER),
    Fault("mean instead of sum", "models/lenet.py", "(4 * self.coefficient)", "self.coefficient", PAPER),
    Fault("no bias in the subsampling", "models/lenet.py", " + self.bias.view(-1, 1, 1)", "", PAPER),
    Fault("logistic squash", "models/lenet.py", "1.7159 * torch.tanh(x * (2 / 3))", "torch.sigmoid(x)", PAPER),
    Fault("no squash after S2", "models/lenet.py", "nn.Sequential(Subsampling(6), ScaledTanh())", "Subsampling(6)", PAPER),
    Fault(
        "codes are trained",
        "models/lenet.py",
        'self.register_buffer("codes", torch.tensor(codes, dtype=torch.get_default_dtype()))',
        "self.codes = nn.Parameter(torch.tensor(codes, dtype=torch.get_default_dtype()))",
        PAPER,
    ),
    Fault("a kernel connected wrongly", "models/lenet.py", "X . . . X X X . . X X X X . X X", "X X . . . X X . . X X X X . X X", PAPER),
    Fault("distance not negated", "models/lenet.py", "return -distance", "return distance", PAPER),
    Fault(
        "test set used for best",
        "train/run.py",
        "self.validation = self._loader(held_out)",
        "self.validation = self._loader(data.test)",
        RUN,
    ),
    Fault("last instead of best", "train/folder.py", 'self._pointed("best") or self._pointed("last")', 'self._pointed("last")', SAVE),
    Fault("rubbish class forgotten", "train/losses.py", "torch.cat([logits, rubbish], dim=1)", "logits", ("tests/train/test_arithmetic.py",)),
    Fault("write in place", "durable.py", "_write_new(temporary, data)", "temporary = path; path.write_bytes(data)", SAVE),
    Fault("file not flushed", "durable.py", "        os.fsync(descriptor)\n    finally:\n        os.close(descriptor)\n\n\ndef _read", "    finally:\n        os.close(descriptor)\n\n\ndef _read", SAVE),
    Fault("folder not flushed", "durable.py", "            sync_folder(path.parent)\n", "", SAVE),
    Fault("card written first", "checkpoint.py", "    for file, content in kept.items():\n        data", "    write_durably(folder / CARD, card.model_dump_json().encode())\n    for file, content in kept.items():\n        data", SAVE),
    Fault("errors of the disk swallowed", "durable.py", "        raise _storage_error(error, doing, path, size) from error", "        pass", SAVE),
    Fault("hash not checked", "checkpoint.py", " or hashlib.sha256(data).hexdigest() != record.sha256", "", SAVE),
    Fault("momentum not restored", "train/state.py", '"state": state})', '"state": {}})', ("tests/train/test_resume.py",)),
    Fault(
        "optimizer's order taken for the model's",
        "train/state.py",
        '[parameter for group in self.optimizer.param_groups for parameter in group["params"]]',
        "list(self.model.parameters())",
        ("tests/train/test_optim.py",),
    ),
    Fault("epsilon outside the root", "train/optim.py", 'torch._foreach_add(squares, group["epsilon"])', "torch._foreach_add(squares, 0)", ("tests/train/test_optim.py",)),
    Fault("errors so far forgotten", "train/state.py", "return cls(**{**values, ", 'return cls(**{**values, "errors": [], ', ("tests/train/test_ending.py", "tests/train/test_schedule.py")),
    Fault("part of an epoch counted", "train/loop.py", "    if not is_whole:\n        return event\n", "", ("tests/train/test_ending.py",)),
    Fault("best of a cut run kept", "train/folder.py", "self._best_of(card, folder).name", '(self._pointed("best") or folder).name', ("tests/train/test_ending.py",)),
    Fault("classes not weighted", "train/losses.py", "weights = class_weights[labels]", "weights = torch.ones_like(class_weights[labels])", ("tests/train/test_imbalance.py",)),
    Fault("copies distorted alike", "data/loader.py", "distortion.apply(pixels, places,", "distortion.apply(pixels, items,", ("tests/data/test_order.py",)),
    Fault("parts not weighed", "train/step.py", "loss * (len(part.labels) / len(examples.labels))", "loss / micro_batches(len(batch.labels), recipe)", ("tests/train/test_step.py",)),
    Fault("parts share a dropout mask", "train/step.py", "_DROPOUT, progress.step, micro)", "_DROPOUT, progress.step)", ("tests/train/test_step.py",)),
    Fault("share before the borders cut", "train/mix.py", "inputs), 1 - covered", "inputs), shares", ("tests/train/test_mix.py",)),
    Fault("frozen statistics move", "train/finetune.py", "                row.eval()\n", "", ("tests/train/test_finetune.py",)),
    Fault("one rate for all rows", "train/step.py", 'rate * group["lr_scale"]', "rate", ("tests/train/test_finetune.py",)),
    Fault("memory errors passed on", "train/run.py", "if not is_out_of_memory(error):", "if True:", ("tests/train/test_memory.py",)),
    Fault("average not restored", "train/state.py", "self.evaluated.load_state_dict(weights)", "pass", ("tests/train/test_resume.py",)),
    Fault("order depends on the resume", "data/loader.py", "[first:]", "", ("tests/train/test_resume.py",)),
    Fault("stop flag not polled", "train/run.py", "                if stop():\n                    break\n", "", RUN),
    Fault("steps taken on NaN", "train/step.py", "if not (abs(loss_value)", "if False and not (abs(loss_value)", RUN),
    Fault("folder not locked", "train/folder.py", "lock.acquire(timeout=0)", "pass", RUN),
    Fault("finished run overwritten", "train/folder.py", "    if folder.is_finished:", "    if False:", RUN),
    Fault("changed recipe accepted on resume", "train/identity.py", "    if changes:", "    if False:", RUN),
    Fault("temperature forgotten", "serve/predictor.py", "logits.float() / self.temperature", "logits.float()", ("tests/serve/test_predictor.py",)),
    Fault("temperature of the test images", "train/run.py", "fit_temperature(validation.logits, validation.labels)", "fit_temperature(*(lambda e: (e.logits, e.labels))(classify(self.state.evaluated, self._loader(self.data.test))))", RUN),
    Fault("images of another cell", "report/galleries.py", "(index[example.label], index[example.predicted])", "(index[example.predicted], index[example.label])", ("tests/report/test_galleries.py",)),
    Fault("pickles opened", "checkpoint.py", "if is_pickle or", "if False and", SAVE),
    Fault("padding forgotten", "data/preprocess.py", "if self.padding else images", "if False else images", ("tests/data/test_preprocess.py",)),
    Fault("draws depend on the batch", "data/hashing.py", "(items * count + draws)", "(torch.arange(len(items)) * count + draws)", ("tests/data/test_hashing.py",)),
    Fault("another of equal neighbours", "train/neighbours.py", "torch.ge(upper, lower, out=first)", "torch.gt(upper, lower, out=first)", FAST),
    Fault("rows exchanged", "train/neighbours.py", "permute(0, 2, 3, 1, 4)", "flip(1).permute(0, 2, 3, 1, 4)", FAST),
    Fault("alpha as printed", "models/alexnet.py", "1e-4 if divide_alpha_by_n else n * 1e-4", "n * 1e-4 if divide_alpha_by_n else 1e-4", ("tests/papers/test_alexnet_2012.py",)),
    Fault("stride in the second convolution", "models/resnet.py", "if i == stride_at else 1", "if i == 1 else 1", ("tests/papers/test_resnet_2015.py",)),
    Fault("zeros before the maps", "models/resnet.py", "(0, 0, 0, 0, 0, self.new_maps)", "(0, 0, 0, 0, self.new_maps, 0)", ("tests/peers/test_equal_logits.py",)),
    Fault("residual not scaled", "models/inception_resnet.py", "self.scale * self.linear1x1", "self.linear1x1", ("tests/papers/test_inception_v4_2016.py",)),
    Fault("gate added", "models/senet.py", "x * scale", "x + scale", ("tests/papers/test_senet_2017.py",)),
    Fault("maps of option A not reordered", "weights/cifar.py", "_reordered(name, tensor, order) for", "tensor for", ("tests/peers/test_equal_logits.py",)),
    Fault("files in the order of their threads", "data/examine.py", "yield from under_way.popleft().result()\n        while", "yield from under_way.pop().result()\n        while", CHECK),
    Fault("leakage told of the training image only", "data/copies.py", "if image.part != first.part:", "if False:", CHECK),
    Fault("two labels of one picture not seen", "data/copies.py", "if torn is not None:\n            yield", "if False:\n            yield", CHECK),
    Fault("copies of a near copy forgotten", "data/copies.py", "across[stands[index]]", "across[index]", CHECK),
    Fault("endings compared with their case", "data/records.py", "path.suffix.lower()", "path.suffix", CHECK),
    Fault("a band of the hash forgotten", "data/near.py", "MAX_BITS + 1)]", "MAX_BITS + 1)][:-1]", NEAR),
    Fault("near by the hash alone", "data/near.py", "_correlation(copies[first], copies[second]) >= wanted", "wanted > 0", CHECK),
    Fault("digits taken for near", "data/near.py", "MIN_CORRELATION_EVEN = 0.995", "MIN_CORRELATION_EVEN = 0.9", CHECK),
    Fault("measured on the network itself", "train/numerics.py", "yield copy.deepcopy(model)", "yield model", NUMERICS),
    Fault("measured again on resume", "train/numerics.py", "if before is None else _read(before)", "if before is None or True else _read(before)", NUMERICS),
    Fault("bf16 whatever its loss", "train/numerics.py", "<= _AGREEMENT * abs(first.loss)", "< math.inf or True", NUMERICS),
    Fault("evaluated weights in bf16", "train/precision.py", "    with torch.autocast(inputs.device.type, dtype=torch.bfloat16):", "    model, inputs = model.bfloat16(), inputs.bfloat16()\n    if True:", NUMERICS),
    Fault("finder trains the network itself", "train/trial.py", "copy.deepcopy(model).to(device)", "model.to(device)", ("tests/train/test_find_rate.py",)),
    Fault("batch that does not fit suggested", "train/find_batch.py", "tried[-1].images if ended == \"memory\" else recipe.batch_size", "recipe.batch_size", ("tests/train/test_find_batch.py",)),
    Fault("changed file trained on", "data/originals.py", "if digest is not None and", "if False and", LOST),
    Fault("step before a lost image not kept", "train/run.py", "        self._keep(is_best=False)\n        return image_lost", "        return image_lost", LOST),
)  # fmt: skip
