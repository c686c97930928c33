"""The portable profile in Keras: refused on TensorFlow, whose kernels differ by CPU whatever is set."""

from samebits import process
from samebits.errors import WrongUse


def route() -> None:
    """Refuse the profile `portable`; nothing in the profile `run`.

    Raises:
        WrongUse: the profile is `portable`.
    """
    if process.profile() == "portable":
        raise WrongUse(
            "PROFILE=portable: TensorFlow computes other bits on another CPU: take FRAMEWORK=torch"
        )
