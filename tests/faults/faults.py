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
BEGUN = ("tests/train/test_begun.py",)
SAVE = ("tests/test_checkpoint.py",)
FAST = ("tests/train/test_fast_layers.py",)
CHECK = ("tests/data/test_check.py", "tests/data/test_copies.py")
NEAR = ("tests/data/test_near.py",)
RANKS = ("tests/train/test_distributed.py",)
POWER = ("tests/test_power_cut.py",)
TWICE = ("tests/cli/test_twice.py",)
BAD = ("tests/data/test_every_bad_file.py",)
CORPUS = ("tests/data/test_corpus.py",)
TREES = ("tests/data/test_trees.py",)
ORACLE = ("tests/data/test_tree_oracle.py",)
BATCHES = ("tests/train/test_last_batch.py",)
SHARDS = ("tests/data/packed/test_hub_shards.py",)
PACKED = ("tests/data/packed/test_order.py", "tests/data/packed/test_streamed.py")
SAME = ("tests/data/test_same.py",)
VIEWS = ("tests/data/test_views.py",)
FINETUNE = ("tests/cli/test_finetune.py",)
TRACK = ("tests/train/test_track.py",)
NUMERICS = ("tests/train/test_numerics.py",)
LOST = ("tests/train/test_lost_images.py",)
THREADS = ("tests/train/test_thread_errors.py",)
MUTANTS = ("tests/hostile/test_mutants.py",)
ARCHIVE = ("tests/data/test_archive.py",)
PICKLES = ("tests/hostile/test_pickles.py",)

FAULTS = (
    Fault("full C3", "models/lenet.py", 'int(mark == "X")', "1", PAPER),
    Fault("mean instead of sum", "models/lenet.py", "(4 * self.coefficient)", "self.coefficient", PAPER),
    Fault("no bias in the subsampling", "models/lenet.py", " + self.bias.view(-1, 1, 1)", "", PAPER),
    Fault("logistic squash", "models/lenet.py", "1.7159 * torch.tanh(x * (2 / 3))", "torch.sigmoid(x)", PAPER),
    Fault("no squash after S2", "models/lenet.py", "nn.Sequential(Subsampling(6), ScaledTanh())", "Subsampling(6)", PAPER),
    Fault("codes are trained", "models/lenet.py", 'self.register_buffer("codes", torch.tensor(codes, dtype=torch.get_default_dtype()))', "self.codes = nn.Parameter(torch.tensor(codes, dtype=torch.get_default_dtype()))", PAPER),
    Fault("a kernel connected wrongly", "models/lenet.py", "X . . . X X X . . X X X X . X X", "X X . . . X X . . X X X X . X X", PAPER),
    Fault("distance not negated", "models/lenet.py", "return -distance", "return distance", PAPER),
    Fault("test set used for best", "train/run.py", "self.validation = self._loader(held_out)", "self.validation = self._loader(data.test)", RUN),
    Fault("last instead of best", "train/folder.py", 'self._pointed("best") or self._pointed("last")', 'self._pointed("last")', SAVE),
    Fault("rubbish class forgotten", "train/losses.py", "torch.cat([logits, rubbish], dim=1)", "logits", ("tests/train/test_arithmetic.py",)),
    Fault("write in place", "durable.py", "file = DurableFile(temporary)", "temporary = path; path.unlink(missing_ok=True); file = DurableFile(path)", SAVE),
    Fault("file not flushed", "durable.py", "                file.flush_to_disk()\n", "", SAVE),
    Fault("folder not flushed", "durable.py", "            sync_folder(path.parent)\n", "", SAVE),
    Fault("card written first", "checkpoint.py", "    for file, content in kept.items():\n        data", "    files = {f\"{file}.safetensors\": safetensors.torch.save(content, metadata=named) for file, content in kept.items()}\n    sums = {file: FileRecord(size=len(data), sha256=hashlib.sha256(data).hexdigest()) for file, data in files.items()}\n    write_durably(folder / CARD, card.model_copy(update={\"files\": sums}).model_dump_json().encode())\n    for file, content in kept.items():\n        data", ("tests/test_power_cut.py",)),
    Fault("errors of the disk swallowed", "durable.py", "        raise _storage_error(error, doing, path, size) from error", "        pass", SAVE),
    Fault("hash not checked", "checkpoint.py", " or hashlib.sha256(data).hexdigest() != record.sha256", "", SAVE),
    Fault("another order within an epoch accepted", "train/identity.py", "progress.order == now or", "True or", ("tests/cli/test_data.py",)),
    Fault("a refusal leaves its traces", "train/folder.py", "            found.leave()\n", "            pass\n", ("tests/cli/test_nothing_left.py",)),
    Fault("momentum not restored", "train/state.py", '"state": state})', '"state": {}})', ("tests/train/test_resume.py",)),
    Fault("optimizer's order taken for the model's", "train/state.py", '[parameter for group in self.optimizer.param_groups for parameter in group["params"]]', "list(self.model.parameters())", ("tests/train/test_optim.py",)),
    Fault("epsilon outside the root", "train/optim.py", 'torch._foreach_add(squares, group["epsilon"])', "torch._foreach_add(squares, 0)", ("tests/train/test_optim.py",)),
    Fault("errors so far forgotten", "train/state.py", "_PROGRESS.validate_python(values)", '_PROGRESS.validate_python({**values, "errors": []})', ("tests/train/test_ending.py", "tests/train/test_schedule.py")),
    Fault("part of an epoch counted", "train/loop.py", "    if not is_whole:\n        return event\n", "", ("tests/train/test_ending.py",)),
    Fault("best of a cut run kept", "train/folder.py", "self._best_of(card, folder).name", '(self._pointed("best") or folder).name', ("tests/train/test_ending.py",)),
    Fault("classes not weighted", "train/losses.py", "weights = class_weights[labels]", "weights = torch.ones_like(class_weights[labels])", ("tests/train/test_imbalance.py",)),
    Fault("copies distorted alike", "data/loader.py", "distortion.apply(pixels, places,", "distortion.apply(pixels, items,", ("tests/data/test_order.py",)),
    Fault("parts not weighed", "train/step.py", "share = len(part.labels) / own * batch.weight", "share = batch.weight / len(parts)", ("tests/train/test_step.py",)),
    Fault("parts share a dropout mask", "train/step.py", "ranks.rank * len(parts) + micro)", "ranks.rank)", ("tests/train/test_step.py",)),
    Fault("share before the borders cut", "train/mix.py", "inputs), 1 - covered", "inputs), shares", ("tests/train/test_mix.py",)),
    Fault("frozen statistics move", "train/finetune.py", "                row.eval()\n", "", ("tests/train/test_finetune.py",)),
    Fault("one rate for all rows", "train/step.py", 'rate * group["lr_scale"]', "rate", ("tests/train/test_finetune.py",)),
    Fault("memory errors passed on", "train/run.py", "if not is_out_of_memory(error):", "if True:", ("tests/train/test_memory.py",)),
    Fault("groups of Parquet not read", "data/groups.py", "        if GROUP not in opened.schema_arrow.names:", "        if True:", ("tests/data/test_parquet.py",)),
    Fault("torn groups not told", "data/torn.py", "    if not torn:", "    if True:", ("tests/data/test_parquet.py",)),
    Fault("streamed columns not chosen", "data/packed/shards.py", '"image", where, columns.get("image"))', '"image", where)', ("tests/data/test_hub.py",)),
    Fault("whole files of the hub fetched", "data/hub.py", 'cache_type="none"', 'cache_type="all"', ("tests/data/test_hub.py",)),
    Fault("undecodable images tied together", "data/holdout.py", "        if digest:", "        if True:", ("tests/data/test_table.py",)),
    Fault("small disk not refused", "train/folder.py", "        if free < needed:", "        if False:", ("tests/train/test_small_disk.py",)),
    Fault("file size limit taken for a full disk", "durable.py", "error.errno == errno.EFBIG", "False", ("tests/train/test_small_disk.py",)),
    Fault("second signal waits", "train/stop.py", "        if request():\n", "        if False:\n", ("tests/train/test_signals.py",)),
    Fault("running statistics not averaged", "train/state.py", "if copied.is_floating_point() == is_averaged]", "if isinstance(copied, nn.Parameter) == is_averaged]", ("tests/train/test_average.py",)),
    Fault("average not restored", "train/state.py", "self.evaluated.load_state_dict(weights)", "pass", ("tests/train/test_resume.py",)),
    Fault("order depends on the resume", "data/loader.py", "range(first * self.batch_size, self.length", "range(0, self.length", ("tests/train/test_resume.py",)),
    Fault("stop flag not polled", "train/run.py", "                if stop():\n                    break\n", "", RUN),
    Fault("steps taken on NaN", "train/step.py", "if not (abs(loss_value)", "if False and not (abs(loss_value)", RUN),
    Fault("folder not locked", "train/folder.py", "lock.acquire(timeout=0)", "pass",BEGUN),
    Fault("finished run overwritten", "train/folder.py", "    if folder.is_finished:", "    if False:", RUN),
    Fault("changed recipe accepted on resume", "train/identity.py", "    if changes:", "    if False:",BEGUN),
    Fault("temperature forgotten", "serve/predictor.py", "logits.float() / self.temperature", "logits.float()", ("tests/serve/test_predictor.py",)),
    Fault("temperature of the test images", "train/run.py", "fit_temperature(validation.logits, validation.labels)", "fit_temperature(*(lambda e: (e.logits, e.labels))(classify(self.state.evaluated, self._loader(self.data.test))))", RUN),
    Fault("images of another cell", "report/galleries.py", "(index[example.label], index[example.predicted])", "(index[example.predicted], index[example.label])", ("tests/report/test_galleries.py",)),
    Fault("pickles opened", "checkpoint.py", "if is_pickle or", "if False and", SAVE),
    Fault("pickles run before they are refused", "checkpoint.py", "            _refuse_pickle(file.read(9), path)\n", "            try:\n                torch.load(path, weights_only=False)\n            except Exception:\n                pass\n            _refuse_pickle(file.read(9), path)\n", PICKLES),
    Fault("control characters printed", "errors.py", "_shortened(printable(text))", "_shortened(text)", ("tests/test_errors.py",)),
    Fault("a tensor's errors passed on", "checkpoint.py", "(safetensors.SafetensorError, KeyError, ValueError, RuntimeError, TypeError)", "(KeyError, ValueError, TypeError)", MUTANTS),
    Fault("tensors of another optimizer passed on", "train/state.py", "            raise StorageError(\n                f\"the checkpoint is of", "            raise\n            raise StorageError(\n                f\"the checkpoint is of", MUTANTS),
    Fault("errors of a card's fields passed on", "checkpoint.py", "(ValidationError, RecursionError, UnicodeDecodeError)", "(RecursionError, UnicodeDecodeError)", MUTANTS),
    Fault("padding forgotten", "data/preprocess.py", "if self.padding else images", "if False else images", ("tests/data/test_preprocess.py",)),
    Fault("draws depend on the batch", "data/hashing.py", "(items * count + draws)", "(torch.arange(len(items)) * count + draws)", ("tests/data/test_hashing.py",)),
    Fault("another of equal neighbours", "train/neighbours.py", "torch.ge(upper, lower, out=first)", "torch.gt(upper, lower, out=first)", FAST),
    Fault("sizes of a pooling not rounded up", "train/fast_layers.py", "module.dilation, module.ceil_mode", "module.dilation, False", FAST),
    Fault("indices kept", "train/fast_layers.py", "or not maps.requires_grad", "or True", FAST),
    Fault("rows exchanged", "train/neighbours.py", "permute(0, 2, 3, 1, 4)", "flip(1).permute(0, 2, 3, 1, 4)", FAST),
    Fault("alpha as printed", "models/alexnet.py", "1e-4 if divide_alpha_by_n else n * 1e-4", "n * 1e-4 if divide_alpha_by_n else 1e-4", ("tests/papers/test_alexnet_2012.py",)),
    Fault("stride in the second convolution", "models/resnet.py", "if i == stride_at else 1", "if i == 1 else 1", ("tests/papers/test_resnet_2015.py",)),
    Fault("zeros before the maps", "models/resnet.py", "(0, 0, 0, 0, 0, self.new_maps)", "(0, 0, 0, 0, self.new_maps, 0)", ("tests/peers/test_equal_logits.py",)),
    Fault("residual not scaled", "models/inception_resnet.py", "self.scale * self.linear1x1", "self.linear1x1", ("tests/papers/test_inception_v4_2016.py",)),
    Fault("gate added", "models/senet.py", "x * scale", "x + scale", ("tests/papers/test_senet_2017.py",)),
    Fault("maps of option A not reordered", "weights/cifar.py", "_reordered(name, tensor, order) for", "tensor for", ("tests/peers/test_equal_logits.py",)),
    Fault("files in the order of their threads", "data/threads.py", "yield under_way.popleft().result()\n        while", "yield under_way.pop().result()\n        while", ("tests/data/test_threads.py",)),
    Fault("leakage told of the training image only", "data/copies.py", "if image.part != first.part:", "if False:", CHECK),
    Fault("two labels of one picture not seen", "data/copies.py", "if torn is not None:\n            yield", "if False:\n            yield", CHECK),
    Fault("copies of a near copy forgotten", "data/copies.py", "across[stands[index]]", "across[index]", CHECK),
    Fault("endings compared with their case", "data/records.py", "path.suffix.lower()", "path.suffix", CHECK),
    Fault("a band of the hash forgotten", "data/near.py", "MAX_BITS + 1)]", "MAX_BITS + 1)][:-1]", NEAR),
    Fault("near by the hash alone", "data/near.py", "_correlation(copies[first], copies[second]) >= wanted", "wanted > 0", CHECK),
    Fault("digits taken for near", "data/near.py", "MIN_CORRELATION_EVEN = 0.995", "MIN_CORRELATION_EVEN = 0.9", CHECK),
    Fault("ranks' parts not weighed", "data/share.py", "weight = len(own) / whole", "weight = 1 / self.world", RANKS),
    Fault("rank ignored in the dropout's seed", "train/step.py", "ranks.rank * len(parts) + micro)", "micro)", RANKS),
    Fault("evaluation padded with copies", "data/loader.py", "own = range(self.share.rank * each, min(", "own = range(min(self.share.rank * each, len(order) - 1), min(", RANKS),
    Fault("every rank writes", "train/followers.py", "if not ranks.is_first:", "if False:", RANKS),
    Fault("stop of one rank kept to itself", "train/agreement.py", "int(self._ranks.largest(self._own.exit_code or 0))", "(self._own.exit_code or 0)", RANKS),
    Fault("no image lent to a mixture", "data/share.py", "places[-1:]", "places[:1]", RANKS),
    Fault("statistics of a rank's own images", "train/sync_batch_norm.py", "dist.all_reduce(total)\n        return total\n\n    @staticmethod", "return total\n\n    @staticmethod", RANKS),
    Fault("heads weighed as the network", "train/auxiliary.py", "loss + recipe.auxiliary * examples", "loss + examples", ("tests/train/test_auxiliary.py",)),
    Fault("heads trained without a weight", "train/auxiliary.py", "    if not auxiliary:\n        return model\n    if not isinstance(model, HasAuxiliary):", "    if not isinstance(model, HasAuxiliary):\n        return model\n    if False:", ("tests/train/test_auxiliary.py",)),
    Fault("test images decide the recipe", "data/headers.py", '_of_each_folder(path / "train" if (path / "train").is_dir() else path)', "_of_each_folder(path)", ("tests/data/test_headers.py",)),
    Fault("network given less than it takes", "recipes/modern.py", "max(min_size, min(images.shorter, side))", "min(images.shorter, side)", ("tests/recipes/test_choice.py",)),
    Fault("grey images mirrored", "recipes/modern.py", "AreaCrop(), Distortion(mirror=is_colour)", "AreaCrop(), Distortion(mirror=True)", ("tests/recipes/test_choice.py",)),
    Fault("middle of the old size", "recipes/resize.py", "max(new, round(length * new / old))", "max(new, length)", ("tests/recipes/test_resize.py",)),
    Fault("a folder's name not flushed", "durable.py", "            sync_folder(place.parent)\n", "            pass\n", POWER),
    Fault("flush of a file's content forgotten", "durable.py", '        """Flush it to the disk."""\n        os.fsync(self._descriptor)\n', '        """Flush it to the disk."""\n', POWER),
    Fault("old checkpoint dropped first", "train/folder.py", "        try:\n            write_checkpoint(folder, {WEIGHTS", "        for old in self.checkpoints.glob('step-*'):\n            shutil.rmtree(old)\n        try:\n            write_checkpoint(folder, {WEIGHTS", POWER),
    Fault("measured graph never freed", "train/memory.py", "return tensor.detach()", "return tensor", ("tests/train/test_memory.py",)),
    Fault("a field not compared on resume", "train/recipe.py", "keys = sorted(set(ours) | set(theirs))", 'keys = sorted({*ours, *theirs} - {"clip_norm"})', ("tests/train/test_changes_on_resume.py",)),
    Fault("another class list accepted on resume", "train/identity.py", '        "classes": list(data.classes),\n', "", ("tests/train/test_changes_on_resume.py", "tests/train/test_run.py")),
    Fault("second start waits", "train/folder.py", "lock.acquire(timeout=0)", "lock.acquire(timeout=6)", ("tests/train/test_one_winner.py",)),
    Fault("drawing overwritten", "cli/draw.py", "if out is None and path.exists():", "if False:", TWICE),
    Fault("pulled over what is there", "weights/hub.py", "    if out.exists():", "    if False:", TWICE),
    Fault("imported over what is there", "weights/importing.py", "if out.exists() and (", "if False and (", TWICE),
    Fault("networks need docstrings", "models/variant.py", "    if docstring is None:", "    if False:", ("tests/cli/test_surroundings.py",)),
    Fault("the neighbour in place of a bad image", "data/listing.py", "            reasons[index] = error.reason\n\n    in_threads(total, work, workers)\n    images = Images(", "            pictures[index], pixels[index] = originals.prepared(index - 1)\n\n    in_threads(total, work, workers)\n    images = Images(", BAD),
    Fault("bad images learnt as black", "data/listing.py", "good = [index for index in range(total) if index not in reasons]", "good = list(range(total))", BAD),
    Fault("truncated images taken for whole", "data/decode.py", 'FORMATS = ("JPEG"', 'from PIL import ImageFile; ImageFile.LOAD_TRUNCATED_IMAGES = True\nFORMATS = ("JPEG"', BAD),
    Fault("16 bits cut to 8", "data/decode.py", "((values.astype(np.int32) + 128) // 257)", "np.minimum(values, 255)", CORPUS),
    Fault("orientation ignored", "data/decode.py", "    if upright is not None:", "    if False:", CORPUS),
    Fault("transparency thrown away", "data/decode.py", "    if image.has_transparency_data:", "    if False:", CORPUS),
    Fault("labels matched by place", "serve/evaluate.py", "classes.index(name) for name in data.classes", "place for place, _ in enumerate(data.classes)", ORACLE),
    Fault("hidden folders read", "data/tree.py", 'entry.name.startswith(".")', 'entry.name.startswith("..")', TREES),
    Fault("links followed outside", "data/tree.py", "if target is not None and not target.is_relative_to(self.real_root):", "if False:", TREES),
    Fault("empty classes taken", "data/listing.py", "        if empty:\n            said", "        if False:\n            said", ("tests/data/test_trees.py", "tests/data/test_tree_oracle.py")),
    Fault("one class taken", "data/listing.py", "    if len(present) == 1:", "    if False:", ("tests/data/test_parquet.py", "tests/data/packed/test_streamed.py")),
    Fault("classes of the parts not compared", "data/listing.py", "    if lacks or extra:", "    if False:", ("tests/data/test_trees.py", "tests/data/test_tree_oracle.py")),
    Fault("batch of one learnt", "data/loader.py", "single = drop_single and len(self.labels) % batch_size == 1", "single = False", BATCHES),
    Fault("every short batch dropped", "data/loader.py", "len(self.labels) % batch_size == 1", "len(self.labels) % batch_size > 0", BATCHES),
    Fault("download not compared", "data/download.py", "    if found != sha256:", "    if False:", ("tests/data/test_download.py",)),
    Fault("row groups never shuffled", "data/packed/order.py", "groups = torch.randperm(len(weights), generator=torch.Generator().manual_seed(self._seed))", "groups = torch.arange(len(weights))", PACKED),
    Fault("a window kept for another", "data/packed/order.py", "if kept is None or kept[0] != window:", "if kept is None:", PACKED),
    Fault("every rank reads every row group", "data/packed/order.py", "    lanes = LANES\n", "    lanes = 1\n", PACKED),
    Fault("the rest of an epoch in another lane", "data/packed/order.py", "right=True).clamp(max=self.lanes - 1)", "right=False).clamp(max=self.lanes - 1)", PACKED),
    Fault("evaluation in turns", "data/loader.py", "own = range(self.share.rank * each, min((self.share.rank + 1) * each, len(order)), self.batch_size)", "own = range(self.share.rank * self.batch_size, len(order), self.share.world * self.batch_size)", PACKED),
    Fault("row groups kept for ever", "data/packed/reading.py", "while self._weight > _KEPT and len(self._kept) > 1:", "while False:", PACKED),
    Fault("checksums of pages not looked at", "data/arrow.py", ", page_checksum_verification=True", "", PACKED),
    Fault("an unfinished pack taken for data", "data/packed/manifest.py", "        if (folder / PACKING).is_file():\n            raise", "        if False:\n            raise", ("tests/data/packed/test_streamed.py", "tests/test_pack.py")),
    Fault("a picture in two formats taken for two", "data/same.py", "first.setdefault(picture.pixels, picture.file) if picture.is_whole else picture.file", "picture.file", SAME),
    Fault("a shrunk picture known by its file alone", "data/listing.py", "look_again(pictures, originals.whole, workers)", "pictures", SAME),
    Fault("shrunk pixels taken for whole ones", "data/same.py", "tuple(sorted(image.size)) == sides", "True", SAME),
    Fault("pack parts a picture in two formats", "pack.py", "divide(listing, reader.same(),", "divide(listing, reader.digests,", SAME),
    Fault("torn groups of shards not told", "data/packed/load.py", "    if not packed.is_ours:\n        #", "    if False:\n        #",SHARDS),
    Fault("a shard without groups let pass", "data/packed/shards.py", "if 0 < len(without) < len(read):", "if False:",SHARDS),
    Fault("repeated images that are always the first ones", "data/order.py", "        number += following[some]\n        following += own\n", "        following += own\n", ("tests/data/test_order.py",)),
    Fault("a repeated image shown the same way", "data/packed/order.py", " + again * self._length", "", PACKED),
    Fault("lanes cut before images are repeated", "data/packed/order.py", "else _rows_shown(starts, times)[groups]", "else (starts[1:] - starts[:-1])[groups]", PACKED),
    Fault("shards sorted by class", "pack.py", "return [images[place] for place in order.tolist()]", "return list(images)", ("tests/test_pack.py",)),
    Fault("manifest before its shards", "pack.py", "        shards, kept = _Writer(", "        write_durably(out / PACKED, b'')\n        shards, kept = _Writer(", ("tests/test_pack.py",)),
    Fault("any name in a pickle", "data/cifar.py", "if (module, name) not in _ALLOWED:", "if False:", ("tests/data/test_cifar.py",)),
    Fault("any name in an archive", "data/archive.py", 'if name.anchor or ".." in name.parts:', "if False:", ARCHIVE),
    Fault("links in an archive", "data/archive.py", "not (member.isfile() or member.isdir()) or ", "", ARCHIVE),
    Fault("sparse files in an archive", "data/archive.py", " or member.issparse()", "", ARCHIVE),
    Fault("bombs", "data/archive.py", "if self._read > self._limit:", "if False:", ARCHIVE),
    Fault("CIFAR downloaded offline", "data/source.py", "list_cifar(CIFAR_SETS[str(data)], offline=offline)", "list_cifar(CIFAR_SETS[str(data)])", ("tests/data/test_cifar.py",)),
    Fault("the coarse label taken", "data/cifar.py", "every[:, named.label_bytes - 1]", "every[:, 0]", ("tests/data/test_cifar.py",)),
    Fault("corners off by one", "data/views.py", "down, right = area[0] - size[0], ", "down, right = area[0] - size[0] - 1, ", VIEWS),
    Fault("mirrors left out", "data/views.py", "torch.flip(pixels, (2,)) if view.is_mirrored else pixels", "pixels", VIEWS),
    Fault("logits averaged", "serve/views.py", "each.logsumexp(dim=1) - math.log(count)", "each.mean(dim=1)", ("tests/serve/test_views.py",)),
    Fault("maps averaged before they are slid over", "models/dense.py", "elif not isinstance(layer, nn.AdaptiveAvgPool2d):", "else:", ("tests/models/test_dense.py",)),
    Fault("training shown for evaluation", "train/views.py", "training[i], evaluation[i])", "training[i], training[i][0])", ("tests/train/test_views.py",)),
    Fault("one epoch shown for all", "train/views.py", "seed=recipe.seed, epoch=epoch,", "seed=recipe.seed, epoch=0,", ("tests/train/test_views.py",)),
    Fault("what is cut off counted as seen", "data/fit.py", "min(content[0], scaled[0]) * min(content[1], scaled[1])", "scaled[0] * scaled[1]", ("tests/data/test_fit.py",)),
    Fault("head of other classes kept", "cli/pretrained.py", "meaning.classes != classes:", "False:", FINETUNE),
    Fault("preprocessing of the weights forgotten", "recipes/finetune.py", "preprocess or base.preprocess", "base.preprocess", FINETUNE),
    Fault("other weights accepted on resume", "train/identity.py", "if begun is not None and _weights_of(model) != begun:", "if False:", FINETUNE),
    Fault("steps shown twice", "train/trackers.py", "if step > self.sent.get(name, -1)", "if True", TRACK),
    Fault("failure of a tracker not said", "train/track.py", "                    self.error = error\n", "                    del error\n", TRACK),
    Fault("fractions not nested", "train/fractions.py", "seed_of(seed, _CHOICE, label)", "seed_of(seed, _CHOICE, label, part)", ("tests/train/test_fractions.py",)),
    Fault("measured on the network itself", "train/numerics.py", "yield copy.deepcopy(model)", "yield model", NUMERICS),
    Fault("measured again on resume", "train/numerics.py", "if before is None else _read(before)", "if before is None or True else _read(before)", NUMERICS),
    Fault("bf16 whatever its loss", "train/numerics.py", "<= _AGREEMENT * abs(first.loss)", "< math.inf or True", NUMERICS),
    Fault("evaluated weights in bf16", "train/precision.py", "    with torch.autocast(inputs.device.type, dtype=torch.bfloat16):", "    model, inputs = model.bfloat16(), inputs.bfloat16()\n    if True:", NUMERICS),
    Fault("finder trains the network itself", "train/trial.py", "copy.deepcopy(model).to(device)", "model.to(device)", ("tests/train/test_find_rate.py",)),
    Fault("batch that does not fit suggested", "train/find_batch.py", 'tried[-1].images if ended == "memory" else recipe.batch_size', "recipe.batch_size", ("tests/train/test_find_batch.py",)),
    Fault("changed file trained on", "data/originals.py", "if digest is not None and", "if False and", LOST),
    Fault("validation that gives no number learnt from", "train/metrics.py", "if not math.isfinite(self.loss):", "if False:", ("tests/cli/test_train.py",)),
    Fault("answers that are no numbers given", "serve/predictor.py", "if not probabilities.isfinite().all():", "if False:", ("tests/cli/test_train.py",)),
    Fault("one rank's nan kept to itself", "train/step.py", "    loss_sum, wrong = ranks.sum(torch.stack([loss_sum, wrong])).unbind()\n", "", RANKS),
    Fault("unexpected errors of a thread passed on", "data/mishaps.py", "        raise PreparationError(names(), error) from error", "        raise", THREADS),
    Fault("an image's batch named in its place", "data/parts.py", "        with said_of(lambda: (images.names[item],)):", "        if True:", THREADS),
    Fault("step before a lost image not kept", "train/run.py", "        self._keep(is_best=False)\n        return image_lost", "        return image_lost", LOST),
    Fault("edited recipe resumed", "train/identity.py", 'if before.get("recipe_sha256") not in', 'if False and before.get("recipe_sha256") not in', ("tests/cli/test_run_folders.py",)),
    Fault("contact sheet lost with fractions", "train/fractions.py", "replace(choose_examples(test, data), views=views)", "choose_examples(test, data)", ("tests/train/test_fractions.py",)),
    Fault("turned photo decoded as it lies", "data/jpeg.py", "or orientation_of(image) != 1", "or False", ("tests/data/test_jpeg.py",)),
    Fault("memory at the start not spoken of", "train/run.py", "            step, kept = (1, 0) if run is None else", "            if run is None:\n                raise\n            step, kept = (1, 0) if run is None else", ("tests/train/test_memory.py",)),
)  # fmt: skip
