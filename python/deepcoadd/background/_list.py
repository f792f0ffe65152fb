# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds that are sums of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, overload

from deepcoadd.background._model import BackgroundModel
from deepcoadd.errors import NoDataError, OptionError, ShapeError
from deepcoadd.geometry import Box
from deepcoadd.image import Image
from deepcoadd.interop.afw_names import BackgroundListNames

__all__ = ["BackgroundItem", "BackgroundList"]


class BackgroundItem(NamedTuple):
    """A background and how it is to be evaluated.

    Attributes
    ----------
    background : BackgroundModel
        Bins. What its own options say of curve and polynomial gives way to the other members.
    interp_style : str
        Curve: CONSTANT, LINEAR, NATURAL_SPLINE, CUBIC_SPLINE or AKIMA_SPLINE.
    undersample_style : str
        What to do where good bins are too few; see `BackgroundOptions`.
    approx_style : {"UNKNOWN", "CHEBYSHEV"}
        UNKNOWN: the curve is used; CHEBYSHEV: a polynomial.
    approx_order_x, approx_order_y : int
        Its orders; -1 along y: the same as along x.
    approx_weighting : bool
        Whether bins are weighted by one over the square of their error in its fit.
    """

    background: BackgroundModel
    interp_style: str
    undersample_style: str
    approx_style: str
    approx_order_x: int
    approx_order_y: int
    approx_weighting: bool

    @classmethod
    def of(cls, background: BackgroundModel) -> BackgroundItem:
        """Item that evaluates a background as its own options say."""
        options = background.options
        approx = options.use_approx
        return cls(
            background,
            options.algorithm,
            options.undersample_style,
            "CHEBYSHEV" if approx else "UNKNOWN",
            options.approx_order if approx else 0,
            options.approx_order_y if approx else 0,
            options.weighting if approx else False,
        )

    @property
    def model(self) -> BackgroundModel:
        """The background with options that say the same as the other members."""
        if self.approx_style not in ("UNKNOWN", "CHEBYSHEV"):
            raise OptionError(
                f"approx_style: got {self.approx_style!r}, must be UNKNOWN or CHEBYSHEV"
            )
        options = replace(
            self.background.options,
            algorithm=self.interp_style,
            undersample_style=self.undersample_style,
            use_approx=self.approx_style == "CHEBYSHEV",
        )
        if options.use_approx:
            options = replace(
                options,
                approx_order=self.approx_order_x,
                approx_order_y=self.approx_order_y,
                weighting=self.approx_weighting,
            )
        return replace(self.background, options=options)


class BackgroundList(BackgroundListNames, Sequence[BackgroundItem]):
    """Backgrounds of one image; the background is their sum.

    Parameters
    ----------
    *items : BackgroundModel or BackgroundItem
        In order. A bare model is evaluated as its options say; other tuples of seven become
        items.
    """

    def __init__(self, *items: BackgroundModel | Iterable[object]) -> None:
        self._items: list[BackgroundItem] = []
        for item in items:
            self.append(item)

    def append(self, item: BackgroundModel | Iterable[object]) -> None:
        """Add a background at the end.

        Raises
        ------
        OptionError
            The item is neither a model nor seven members that begin with one.
        """
        if isinstance(item, BackgroundModel):
            self._items.append(BackgroundItem.of(item))
            return
        members = tuple(item) if isinstance(item, Iterable) else ()
        if len(members) != len(BackgroundItem._fields) or not isinstance(
            members[0], BackgroundModel
        ):
            raise OptionError(
                f"item: got {type(item).__name__}, must be a BackgroundModel or the seven members "
                "of a BackgroundItem"
            )
        self._items.append(BackgroundItem._make(members))

    def clone(self) -> BackgroundList:
        """A list of its own with the same backgrounds."""
        return BackgroundList(*self._items)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> BackgroundItem: ...
    @overload
    def __getitem__(self, index: slice) -> BackgroundList: ...
    def __getitem__(self, index: int | slice) -> BackgroundItem | BackgroundList:
        if isinstance(index, slice):
            return BackgroundList(*self._items[index])
        return self._items[index]

    def __iter__(self) -> Iterator[BackgroundItem]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"BackgroundList({len(self)} backgrounds)"

    def models(self) -> tuple[BackgroundModel, ...]:
        """Backgrounds with the options that their items ask for."""
        return tuple(item.model for item in self._items)

    def image(self, box: Box | None = None) -> Image:
        """Sum of the images of all items (float32, added in order), by default of the whole box.

        Raises
        ------
        NoDataError
            The list is empty.
        ShapeError
            The boxes of the items differ and none was given, or one does not hold the box.
        OptionError, SingularError, TooManyMaskedPixelsError
            As for `BackgroundModel.image`.
        """
        if not self._items:
            raise NoDataError("background list: it is empty and has no image")
        if box is None:
            box = self._items[0].background.box
            for k, item in enumerate(self._items):
                if item.background.box != box:
                    raise ShapeError(
                        f"background list: item {k} covers {item.background.box}, item 0 {box}"
                    )
        first, *others = self.models()
        out = first.image(box)
        for model in others:
            model.add_to(out)
        return out

    def add_to(self, image: Image, factor: float = 1.0) -> None:
        """Add every background of the list to an image, one after the other.

        See `BackgroundModel.add_to`; an empty list adds nothing.
        """
        for model in self.models():
            model.add_to(image, factor)

    def subtract_from(self, image: Image) -> None:
        """Subtract every background of the list from an image."""
        self.add_to(image, -1.0)
