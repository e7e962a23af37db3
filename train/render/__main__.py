"""`python -m train.render`: the footage, one item to look at, the contact sheet."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.render.items import CATALOGUE, find

SLUGS = [item.slug for item in CATALOGUE]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 512x384") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.render", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the items and exit")
    commands = parser.add_subparsers(dest="command")
    clip = commands.add_parser("clip", help="render everything missing, then write tray.mp4 and chapters.json")
    clip.add_argument("--out", type=Path, default=Path("edge/sim/footage"))
    clip.add_argument("--golden", type=Path, default=Path("train/render/golden"), help="folder of the golden crops")
    still = commands.add_parser("still", help="render one item at rest")
    still.add_argument("--item", required=True, choices=[*SLUGS, "empty"])
    still.add_argument("--out", type=Path, required=True)
    still.add_argument("--samples", type=int, default=16)
    still.add_argument("--size", type=_size, default=(512, 384), metavar="WxH")
    still.add_argument("--crop", type=Path, help="also write the crop a classifier would see")
    clip.add_argument("--samples", type=int, default=24, help="Cycles samples a pixel")
    sheet = commands.add_parser("sheet", help="one still per item in a grid, from the frames of `clip`")
    sheet.add_argument("--out", type=Path, default=Path("docs/images/footage.png"))
    for command in (clip, sheet):
        command.add_argument("--work", type=Path, default=Path("runs/render"), help="rendered frames are kept here")
    return parser


def main() -> None:
    """Parse the command line and do it."""
    parser = _parser()
    args = parser.parse_args()
    if args.list:
        for item in CATALOGUE:
            print(f"{item.slug:16} {item.label:10} {item.name}")
    elif args.command == "still":
        from train.render import clip, pictures

        item = None if args.item == "empty" else find(args.item)
        box = clip.render_still(item, args.out, args.size, args.samples)
        if args.crop:
            pictures.write_crop(args.out, box, args.crop)
    elif args.command == "clip":
        from train.render import clip, pictures, video

        boxes = clip.render_missing(CATALOGUE, args.work, args.samples)
        video.write(CATALOGUE, boxes, args.work, args.out)
        pictures.write_golden(boxes, args.work, args.golden)
    elif args.command == "sheet":
        from train.render import pictures

        pictures.write_sheet(CATALOGUE, args.work, args.out)
    else:
        parser.print_help()


if __name__ == "__main__":
    main()
