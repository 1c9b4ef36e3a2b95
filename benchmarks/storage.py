"""Images in object storage: how long a listing takes, and how well decoding hides the way to the storage.

    python benchmarks/storage.py --images 1000000 --list
    python benchmarks/storage.py --images 3000 --delay 0.03

A server of this machine speaks as much of S3 as is asked of it, holds one picture under any number of names, and
answers each request after ``--delay`` seconds. It runs in a process of its own, on the same cores. Images a second are
those of ``rank`` with a small network, started anew for each row, the sheet of the best left out of the time.
"""

__all__ = ["main"]

import argparse
import asyncio
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from aiohttp import web
from PIL import Image

from figureground.base.seeds import seed_everything
from figureground.data import find_images
from figureground.models import LeNetGAP, load_classifier
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

FOLDER = 10_000  # images
PAGE = 1000
WORKERS = (2, 8, 32, 64)


def picture() -> bytes:
    """A photo-like JPEG of 256 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC).save(content, "JPEG")
    return content.getvalue()


def page_of(count: int, prefix: str, token: str) -> str:
    """A page of a listing, as ListObjectsV2 has it."""
    folders = range((count + FOLDER - 1) // FOLDER)
    body = ""
    more = ""
    if prefix == "photos/":
        body = "".join(
            f"<CommonPrefixes><Prefix>photos/{at:04d}/</Prefix></CommonPrefixes>" for at in folders
        )
    elif prefix.startswith("photos/"):
        first = int(prefix.split("/")[1]) * FOLDER
        begin, end = first + int(token or 0), min(first + FOLDER, count)
        body = "".join(
            f"<Contents><Key>{prefix}{at:07d}.jpg</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{at:032x}&quot;</ETag><Size>9000</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for at in range(begin, min(begin + PAGE, end))
        )
        if begin + PAGE < end:
            more = f"<NextContinuationToken>{begin + PAGE - first}</NextContinuationToken>"
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
        f"<Prefix>{escape(prefix)}</Prefix><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{body}"
        "</ListBucketResult>"
    )


def serve(count: int, delay: float) -> None:
    """Answer until the process is ended; the port is the first line."""
    content = picture()

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        if "list-type" in request.query:
            text = page_of(
                count,
                request.query.get("prefix", ""),
                request.query.get("continuation-token", ""),
            )
            return web.Response(text=text, content_type="application/xml")
        return web.Response(body=content, content_type="image/jpeg")

    async def run() -> None:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def listed() -> None:
    """A row: images found, seconds, memory."""
    began = time.perf_counter()
    found = find_images("s3://b/photos", recursive=True)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {len(found)} | {seconds:.0f} | {peak:.2f} |", flush=True)


def ranked(workers: int) -> None:
    """A row: threads, images a second."""
    seed_everything(0)
    network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
    times: list[float] = []

    def progress(_stage: str, done: int, _total: int) -> None:
        times.append(time.perf_counter())
        counts.append(done)

    counts: list[int] = []
    options = RankOptions(classes=("3",), top=1, workers=workers, parquet=False)
    with tempfile.TemporaryDirectory() as out:
        rank_images(network, "s3://b/photos", out=out, options=options, progress=progress)
    # from the first batch on: what is before it is the start of the process
    speed = (counts[-1] - counts[1]) / (times[-1] - times[1])
    print(f"| {workers} | {speed:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--delay", type=float, default=0.03, help="seconds of each request")
    parser.add_argument("--list", action="store_true", help="list the images, and no more")
    parser.add_argument("--serve", action="store_true", help="of the server's process")
    parser.add_argument("--row", type=int, help="of a process that is measured: its threads")
    given = parser.parse_args()
    if given.serve:
        serve(given.images, given.delay)
    elif given.row is not None:
        ranked(given.row) if given.row else listed()
    else:
        measure(given.images, given.delay, only_list=given.list)


def measure(images: int, delay: float, *, only_list: bool) -> None:
    """A table."""
    own = [sys.executable, str(Path(__file__).resolve()), "--images", str(images)]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*own, "--serve", "--delay", str(delay)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            about = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "nobody",
                "AWS_SECRET_ACCESS_KEY": "nothing",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            head = (
                "| images | seconds | peak, GiB |" if only_list else "| threads | images a second |"
            )
            print(head + "\n" + "| ---: " * (3 if only_list else 2) + "|")
            for row in (0,) if only_list else WORKERS:
                subprocess.run(  # noqa: S603
                    [*own, "--row", str(row)], check=True, env={**os.environ, **about}
                )
        finally:
            server.kill()


if __name__ == "__main__":
    main()
