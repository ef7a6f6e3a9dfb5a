from pathlib import Path

from larder.shelf import load, save

SAMPLE = Path(__file__).parent / "data" / "sample.json"


def test_load_sample() -> None:
    assert load(SAMPLE).amounts == {"oats": 750.0, "tea": 40.0}


def test_saved_is_what_is_loaded(tmp_path: Path) -> None:
    stock = load(SAMPLE)
    stock.put("tea", "60 g")
    save(stock, tmp_path / "out.json")
    assert load(tmp_path / "out.json").amounts == {"oats": 750.0, "tea": 100.0}
