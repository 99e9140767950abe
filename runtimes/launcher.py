"""Run the model beside this file: `python predict.py "some text"`.

It needs numpy, tokenizers and onnxruntime (or openvino), and the folder `runtimes` beside it.
Nothing is sent anywhere.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Answer the command line with the code beside this file."""
    sys.path.insert(0, str(FOLDER))
    from runtimes import predict

    return predict.main(FOLDER)


if __name__ == "__main__":
    sys.exit(main())
