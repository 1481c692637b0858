"""Reading a split: grouping, and one clear sentence for every bad line or path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import encode_line
from perceptlm.schema import MediaRef, Sample, Turn

Make = Callable[..., Sample]
Write = Callable[[list[Sample]], Path]


def test_groups_share_media_regions_and_system_text(make_sample: Make, write_split: Write) -> None:
    samples = [
        make_sample("a", clip=1),
        make_sample("b", clip=0),
        make_sample("c", "rcap", clip=1, boxed=True),
        make_sample("d", "mcq", clip=1),
        make_sample("e", "rtloc", clip=1, boxed=True),
        make_sample("f", clip=1, system="Be brief."),
    ]
    found = SampleSet.open(write_split(samples), "train")
    assert found.samples == tuple(samples)
    assert [[sample.id for sample in group] for group in found.groups] == [["a", "d"], ["b"], ["c", "e"], ["f"]]
    assert found.groups_of == {"video_qa": (0, 1, 3), "mcq": (0,), "rcap": (2,), "rtloc": (2,)}


def test_images_within_a_text_are_shared_with_none(make_sample: Make, write_split: Write) -> None:
    picture = MediaRef(kind="image", path="train/videos/0.png", width=8, height=8)

    def ask(id: str, text: str) -> Sample:
        turns = (Turn(role="user", text=text), Turn(role="assistant", text="No."))
        return make_sample(id).model_copy(update={"media": (picture, picture), "turns": turns})

    samples = [ask("a", "Alike?"), ask("b", "<image> as <image>?"), ask("c", "<image> as <image>?"), ask("d", "?")]
    found = SampleSet.open(write_split(samples), "train")
    assert [[sample.id for sample in group] for group in found.groups] == [["a", "d"], ["b"], ["c"]]


def test_only_wanted_tasks_are_kept(make_sample: Make, write_split: Write) -> None:
    root = write_split([make_sample("a"), make_sample("b", "mcq")])
    assert [sample.id for sample in SampleSet.open(root, "train", ("mcq",)).samples] == ["b"]
    with pytest.raises(DataError, match=r"samples\.jsonl: holds no samples of the tasks rdcap"):
        SampleSet.open(root, "train", ("rdcap",))


def damaged(line: bytes, old: bytes, new: bytes) -> bytes:
    assert old in line
    return line.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'{"id"', b'{"ID"', "unknown key 'ID'"),
        (b'"task":"video_qa"', b'"task":"dancing"', "'task'"),
        (b'"split":"train"', b'"split":"benchmark"', "belongs to split 'benchmark'"),
        (b"train/videos/0.mp4", b"../secret.mp4", "inside the dataset"),
        (b"train/videos/0.mp4", b"train/videos/absent.mp4", "there is no such file"),
        (b'"id":"b"', b'"id":"a"', "id a was already used in line 1"),
        (b'{"id"', b'"id"', "not a JSON line"),
        (b'"id":"b"', b'"id":"\xff"', "not a JSON line"),
    ],
)
def test_a_bad_line_is_named(make_sample: Make, write_split: Write, old: bytes, new: bytes, message: str) -> None:
    good, bad = make_sample("a"), make_sample("b")
    root = write_split([good, bad])
    (root / "train/samples.jsonl").write_bytes(encode_line(good) + b"\n" + damaged(encode_line(bad), old, new))
    with pytest.raises(DataError, match=rf"train/samples\.jsonl:3: .*{message}"):
        SampleSet.open(root, "train")


def test_a_link_out_of_the_dataset_is_refused(make_sample: Make, write_split: Write, tmp_path: Path) -> None:
    root = write_split([make_sample("a")])
    clip = root / "train/videos/0.mp4"
    clip.unlink()
    clip.symlink_to("/etc/hostname")
    with pytest.raises(DataError, match=r"samples\.jsonl:1: .*leads outside"):
        SampleSet.open(root, "train")
    clip.unlink()
    clip.symlink_to(clip)
    with pytest.raises(DataError, match=r"samples\.jsonl:1: "):
        SampleSet.open(root, "train")


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train/samples\.jsonl: cannot be opened"):
        SampleSet.open(tmp_path, "train")
    (tmp_path / "train").mkdir()
    (tmp_path / "train/samples.jsonl").write_bytes(b"\n")
    with pytest.raises(DataError, match="holds no samples"):
        SampleSet.open(tmp_path, "train")


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(
    make_sample: Make, write_split: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_split([make_sample("a"), make_sample("b", "mcq")])
    first = SampleSet.open(root, "train")
    with monkeypatch.context() as patch:
        patch.setattr("perceptlm.data.sample_set.read_numbered_records", lambda *_: pytest.fail("read again"))
        again = SampleSet.open(root, "train", ("mcq",))
    assert again.samples == first.samples[1:]
    (root / "train/samples.jsonl").write_bytes(encode_line(make_sample("c")))
    assert [sample.id for sample in SampleSet.open(root, "train").samples] == ["c"]


def test_a_file_that_went_away_since_is_noticed(make_sample: Make, write_split: Write) -> None:
    root = write_split([make_sample("a")])
    SampleSet.open(root, "train")
    clip = root / "train/videos/0.mp4"
    clip.rename(clip.with_name("moved.mp4"))
    with pytest.raises(DataError, match=r"samples\.jsonl:1: .*no such file"):
        SampleSet.open(root, "train")
    clip.symlink_to("moved.mp4")  # a link that stays inside is as good as the file
    assert len(SampleSet.open(root, "train").samples) == 1
    clip.unlink()
    clip.mkdir()
    with pytest.raises(DataError, match=r"samples\.jsonl:1: .*no such file"):
        SampleSet.open(root, "train")


def test_a_folder_that_leads_outside_is_refused(
    make_sample: Make, write_split: Write, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = write_split([make_sample("a")])
    outside = tmp_path_factory.mktemp("outside") / "videos"
    (root / "train/videos").rename(outside)
    (root / "train/videos").symlink_to(outside)
    with pytest.raises(DataError, match=r"samples\.jsonl:1: .*leads outside"):
        SampleSet.open(root, "train")
