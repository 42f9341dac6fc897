"""
Write to a message log: prints the last seq of each batch after it was acknowledged, or what refused it.

Run: python writer_process.py DATA_DIR OWNER BATCH_ROWS BATCHES
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from openim_ray.domain.message import Outcome
from openim_ray.storage.open import open_message_store
from openim_ray.storage.places import Places
from tests.contract.rows import message, write


async def main(data_dir: Path, owner: str, batch_rows: int, batches: int) -> None:
    """Claim the partition and write batches until an outcome isn't STORED."""
    store = await open_message_store(Places(data_dir))
    epoch = (await store.claim(["p"], owner))["p"]
    for begin in range(1, 1 + batches * batch_rows, batch_rows):
        rows = [message(seq, f"{owner}-{seq}", body=b"x" * 500) for seq in range(begin, begin + batch_rows)]
        (result,) = await store.write([write(*rows, epoch=epoch)])
        if result.outcome is not Outcome.STORED:
            print(result.outcome.value, flush=True)
            break
        print(rows[-1].seq, flush=True)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
