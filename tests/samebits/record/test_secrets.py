import pytest

from samebits.record.secrets import masked


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--api-key", "abc", "--lr", "0.1"], ["--api-key", "***", "--lr", "0.1"]),
        (["--api_key=abc", "HF_TOKEN=abc"], ["--api_key=***", "HF_TOKEN=***"]),
        (["wandb.apiKey=abc", "db.password=x=y"], ["wandb.apiKey=***", "db.password=***"]),
        (["--password", "--verbose"], ["--password", "--verbose"]),
        (["--url", "https://me:geheim@host/x"], ["--url", "https://***@host/x"]),
        (["-c", "login('hf_abcdefghijklmnop')"], ["-c", "login('***')"]),
        (["--key=sk-0123456789abcdef"], ["--key=***"]),
        (["--secret-access-key", "x"], ["--secret-access-key", "***"]),
        # No secrets.
        (["--max-tokens", "128", "--pad-token", "<pad>"], ["--max-tokens", "128", "--pad-token", "<pad>"]),
        (["--tokenizer", "bert", "--key", "value"], ["--tokenizer", "bert", "--key", "value"]),
        (["train.py", "a=b", "--author=me", "x@y"], ["train.py", "a=b", "--author=me", "x@y"]),
    ],
)
def test_what_looks_like_a_secret_is_masked(words, shown):
    assert masked(words) == shown
