from pipeline.base.packages import data_file


def test_a_file_of_an_installed_package_is_found() -> None:
    file = data_file("openai-whisper", "whisper/assets/mel_filters.npz")
    assert file is not None
    assert file.stat().st_size > 0


def test_no_package_and_no_file_give_none() -> None:
    assert data_file("no-such-package-anywhere", "whisper/assets/mel_filters.npz") is None
    assert data_file("openai-whisper", "whisper/assets/no-such-file") is None
