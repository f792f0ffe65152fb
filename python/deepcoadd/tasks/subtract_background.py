# SPDX-License-Identifier: BSD-3-Clause
"""Configuration of binned backgrounds, as the tasks that measure one carry it."""

from __future__ import annotations

from lsst.pex.config import ChoiceField, Config, Field, ListField, RangeField

from deepcoadd.background import TASK_BACKGROUND, BackgroundOptions

__all__ = ["SubtractBackgroundConfig"]


class SubtractBackgroundConfig(Config):  # type: ignore[misc]
    """How a background is measured in bins and interpolated or approximated."""

    statisticsProperty = ChoiceField(
        dtype=str,
        default=TASK_BACKGROUND.statistic,
        allowed={
            "MEANCLIP": "clipped mean",
            "MEAN": "mean of all good pixels",
            "MEDIAN": "median",
        },
        doc="What a bin is worth.",
    )
    undersampleStyle = ChoiceField(
        dtype=str,
        default=TASK_BACKGROUND.undersample_style,
        allowed={
            "THROW_EXCEPTION": "raise",
            "REDUCE_INTERP_ORDER": "take a simpler curve or a lower order",
        },
        doc="What to do where there are too few good bins.",
    )
    binSize = RangeField(
        dtype=int, default=TASK_BACKGROUND.bin_size, min=1, doc="Nominal side of a bin, pixels."
    )
    binSizeX = RangeField(
        dtype=int, default=TASK_BACKGROUND.bin_size_x, min=0, doc="The same along x; 0: binSize."
    )
    binSizeY = RangeField(
        dtype=int, default=TASK_BACKGROUND.bin_size_y, min=0, doc="The same along y; 0: binSize."
    )
    algorithm = ChoiceField(
        dtype=str,
        default=TASK_BACKGROUND.algorithm,
        allowed={
            "CONSTANT": "nearest bin",
            "LINEAR": "straight lines",
            "NATURAL_SPLINE": "natural cubic spline",
            "CUBIC_SPLINE": "the same as NATURAL_SPLINE",
            "AKIMA_SPLINE": "Akima spline, which overshoots less",
        },
        doc="Curve through the bins.",
    )
    ignoredPixelMask = ListField(
        dtype=str,
        default=list(TASK_BACKGROUND.ignored_planes),
        doc="Planes of pixels that do not count.",
    )
    isNanSafe = Field(
        dtype=bool, default=False, doc="No effect: pixels that are not finite never count."
    )
    useApprox = Field(
        dtype=bool,
        default=TASK_BACKGROUND.use_approx,
        doc="Fit Chebyshev polynomials to the bins instead of a curve through them?",
    )
    approxOrderX = RangeField(
        dtype=int, default=TASK_BACKGROUND.approx_order, min=0, doc="Their total order."
    )
    approxOrderY = Field(
        dtype=int, default=-1, doc="-1, or the same as approxOrderX.", check=lambda n: n >= -1
    )
    weighting = Field(
        dtype=bool,
        default=TASK_BACKGROUND.weighting,
        doc="Weight bins by one over the square of their error in the fit?",
    )

    def validate(self) -> None:
        """Check the fields, and the two orders against one another."""
        super().validate()
        if self.approxOrderY not in (-1, self.approxOrderX):
            raise ValueError(
                f"approxOrderY: got {self.approxOrderY}, must be -1 or {self.approxOrderX} as "
                "approxOrderX"
            )

    def to_options(self) -> BackgroundOptions:
        """Options of the subject package."""
        return BackgroundOptions(
            statistic=self.statisticsProperty,
            bin_size=self.binSize,
            bin_size_x=self.binSizeX,
            bin_size_y=self.binSizeY,
            algorithm=self.algorithm,
            undersample_style=self.undersampleStyle,
            ignored_planes=tuple(self.ignoredPixelMask),
            use_approx=self.useApprox,
            approx_order=self.approxOrderX,
            weighting=self.weighting,
        )

    def set_from(self, options: BackgroundOptions) -> None:
        """Make these options the defaults of a task that carries this configuration."""
        self.statisticsProperty = options.statistic
        self.undersampleStyle = options.undersample_style
        self.binSize = options.bin_size
        self.algorithm = options.algorithm
        self.ignoredPixelMask = list(options.ignored_planes)
        self.useApprox = options.use_approx
