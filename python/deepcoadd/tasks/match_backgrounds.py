# SPDX-License-Identifier: BSD-3-Clause
"""Matching of the backgrounds of exposures to that of one of them, as a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsst.pex.config import ChoiceField, Config, Field, ListField, RangeField
from lsst.pipe.base import Struct, Task

from deepcoadd.background import (
    TASK_MATCH,
    UNMATCHED,
    ClassicMatchOptions,
    ReferenceTerms,
    match_to_reference,
    reference_terms,
    select_reference,
)
from deepcoadd.errors import NoDataError, OptionError, ShapeError
from deepcoadd.image import MaskedImage
from deepcoadd.interop.afw import as_exposure
from deepcoadd.mask import DEFAULT_PLANES

__all__ = ["MatchBackgroundsConfig", "MatchBackgroundsTask"]


class MatchBackgroundsConfig(Config):  # type: ignore[misc]
    """Configuration of `MatchBackgroundsTask`."""

    usePolynomial = Field(
        dtype=bool,
        default=TASK_MATCH.use_polynomial,
        doc="Fit Chebyshev polynomials to the difference instead of a spline through its bins?",
    )
    order = RangeField(
        dtype=int,
        default=TASK_MATCH.order,
        min=0,
        doc="Order of the polynomials; no effect without usePolynomial.",
    )
    badMaskPlanes = ListField(
        dtype=str,
        default=list(TASK_MATCH.bad_planes),
        doc="Planes of pixels that do not count.",
        itemCheck=lambda name: name in DEFAULT_PLANES or name == UNMATCHED,
    )
    gridStatistic = ChoiceField(
        dtype=str,
        default=TASK_MATCH.statistic,
        allowed={"MEAN": "mean", "MEDIAN": "median", "MEANCLIP": "clipped mean"},
        doc="What a bin is worth.",
    )
    undersampleStyle = ChoiceField(
        dtype=str,
        default=TASK_MATCH.undersample_style,
        allowed={
            "THROW_EXCEPTION": "raise",
            "REDUCE_INTERP_ORDER": "take a simpler curve or a lower order",
            "INCREASE_NXNYSAMPLE": "take smaller bins; needs usePolynomial",
        },
        doc="What to do where there are too few good bins.",
    )
    binSize = RangeField(
        dtype=int, default=TASK_MATCH.bin_size, min=1, doc="Nominal side of a bin, pixels."
    )
    interpStyle = ChoiceField(
        dtype=str,
        default=TASK_MATCH.interp_style,
        allowed={
            "CONSTANT": "nearest bin",
            "LINEAR": "straight lines",
            "NATURAL_SPLINE": "natural cubic spline",
            "AKIMA_SPLINE": "Akima spline, which overshoots less",
            "NONE": "no curve: an error when backgrounds are matched without usePolynomial",
        },
        doc="Curve through the bins.",
    )
    numSigmaClip = RangeField(
        dtype=int,
        default=int(TASK_MATCH.sigma_clip),
        min=1,
        doc="Half-width of clipping, standard deviations.",
    )
    numIter = RangeField(dtype=int, default=TASK_MATCH.n_iter, min=1, doc="Passes of clipping.")
    bestRefWeightCoverage = RangeField(
        dtype=float,
        default=TASK_MATCH.weight_coverage,
        min=0.0,
        max=1.0,
        inclusiveMax=True,
        doc="Share of the coverage in the choice of the reference.",
    )
    bestRefWeightVariance = RangeField(
        dtype=float,
        default=TASK_MATCH.weight_variance,
        min=0.0,
        max=1.0,
        inclusiveMax=True,
        doc="Share of the variance in the choice of the reference.",
    )
    bestRefWeightLevel = RangeField(
        dtype=float,
        default=TASK_MATCH.weight_level,
        min=0.0,
        max=1.0,
        inclusiveMax=True,
        doc="Share of the level in the choice of the reference.",
    )
    approxWeighting = Field(
        dtype=bool,
        default=TASK_MATCH.weighting,
        doc="Weight bins by one over the square of their error in the polynomial fit?",
    )
    gridStdevEpsilon = RangeField(
        dtype=float,
        default=TASK_MATCH.stdev_floor,
        min=0.0,
        doc="Least standard deviation of the pixels of a bin.",
    )
    edge = ChoiceField(
        dtype=str,
        default=TASK_MATCH.edge,
        allowed={
            "quadratic": "value, slope and curvature",
            "linear": "value and slope",
            "constant": "value",
        },
        doc="What of a curve goes on beyond the outermost good bins, as far as a bin reaches.",
    )
    binAveraged = Field(
        dtype=bool,
        default=TASK_MATCH.bin_averaged,
        doc="Fit the means of the polynomials over the bins instead of values at their centres?",
    )
    varianceInflation = RangeField(
        dtype=float,
        default=TASK_MATCH.variance_inflation,
        min=0.0,
        inclusiveMin=False,
        doc="Factor on the variances of bins, 1.5 to 3 for resampled exposures.",
    )
    raiseOnError = Field(
        dtype=bool,
        default=False,
        doc="Raise where an exposure cannot be matched, instead of leaving its result empty?",
    )

    def validate(self) -> None:
        """Check the fields, and that smaller bins are asked for with polynomials only."""
        super().validate()
        self.to_options()

    def to_options(self) -> ClassicMatchOptions:
        """Options of the subject package."""
        return ClassicMatchOptions(
            use_polynomial=self.usePolynomial,
            order=self.order,
            bad_planes=tuple(self.badMaskPlanes),
            statistic=self.gridStatistic,
            undersample_style=self.undersampleStyle,
            bin_size=self.binSize,
            interp_style=self.interpStyle,
            sigma_clip=float(self.numSigmaClip),
            n_iter=self.numIter,
            weight_coverage=self.bestRefWeightCoverage,
            weight_variance=self.bestRefWeightVariance,
            weight_level=self.bestRefWeightLevel,
            weighting=self.approxWeighting,
            stdev_floor=self.gridStdevEpsilon,
            cost_model=TASK_MATCH.cost_model,
            edge=self.edge,
            bin_averaged=self.binAveraged,
            variance_inflation=self.varianceInflation,
        )


class MatchBackgroundsTask(Task):  # type: ignore[misc]
    """Match the backgrounds of exposures to that of a reference, one after the other."""

    ConfigClass = MatchBackgroundsConfig
    _DefaultName = "matchBackgrounds"

    def run(
        self,
        expRefList: Sequence[Any],
        expDatasetType: str,
        imageScalerList: Sequence[Any] | None = None,
        refExpDataRef: Any = None,
        refImageScaler: Any = None,
    ) -> Struct:
        """Match all exposures of a list to one of them.

        Parameters
        ----------
        expRefList : sequence
            Exposures, or objects with ``get`` (given the dataset type if they want one).
        expDatasetType : str
            Name of the dataset type to read.
        imageScalerList : sequence, optional
            One object with ``scaleMaskedImage`` for each exposure; None is not applied.
        refExpDataRef : object, optional
            The reference, one of the list; by default `selectRefExposure` chooses.
        refImageScaler : object, optional
            Scaler of a reference that is given.

        Returns
        -------
        Struct
            ``backgroundInfoList``, one Struct for each exposure, in order: ``isReference``,
            ``backgroundModel``, ``fitRMS``, ``matchedMSE``, ``diffImVar``; all but the first are
            None for the reference and for an exposure that could not be matched.

        Raises
        ------
        ValueError
            There are no exposures, the lists differ in length, or the reference is not in the list.
        RuntimeError
            An exposure does not exist.
        Exception
            With raiseOnError: whatever keeps an exposure from being matched.
        """
        refs, scalers = self._checkInputs(expRefList, expDatasetType, imageScalerList)
        for ref in refs:
            _checkExists(ref, expDatasetType)
        if refExpDataRef is None:
            index = self.selectRefExposure(
                expRefList=refs, imageScalerList=scalers, expDatasetType=expDatasetType
            )
            refExpDataRef, refImageScaler = refs[index], scalers[index]
        same = [_is_same(ref, refExpDataRef) for ref in refs]
        if not any(same):
            raise OptionError(f"refExpDataRef: {_name(refExpDataRef)} is not in expRefList")
        reference = self._load(refExpDataRef, expDatasetType, refImageScaler)
        infos = []
        for ref, scaler, isReference in zip(refs, scalers, same, strict=True):
            infos.append(
                _info(isReference=True)
                if isReference
                else self._matchOne(reference, ref, expDatasetType, scaler)
            )
        return Struct(backgroundInfoList=infos)

    def selectRefExposure(
        self, expRefList: Sequence[Any], imageScalerList: Sequence[Any] | None, expDatasetType: str
    ) -> int:
        """Choose the exposure that the others are matched to.

        Parameters
        ----------
        expRefList, imageScalerList, expDatasetType
            As for `run`.

        Returns
        -------
        int
            Index in the list.

        Raises
        ------
        ValueError
            There are no exposures, or the lists differ in length.
        RuntimeError
            None of them can be the reference.
        """
        refs, scalers = self._checkInputs(expRefList, expDatasetType, imageScalerList)
        options = self.config.to_options()
        terms = []
        for ref, scaler in zip(refs, scalers, strict=True):
            try:
                pixels = self._load(ref, expDatasetType, scaler).getMaskedImage()
                terms.append(reference_terms(pixels, options))
            except Exception as error:
                # Scalers and handles are the user's: whatever they raise, the others go on.
                self.log.warning("%s cannot be the reference: %s", _name(ref), error)
                terms.append(ReferenceTerms.unknown())
        return select_reference(terms, options)

    def matchBackgrounds(self, refExposure: Any, sciExposure: Any) -> Struct:
        """Match one exposure to another.

        Parameters
        ----------
        refExposure : Exposure
            The reference.
        sciExposure : Exposure
            Its image gets the background added, in place.

        Returns
        -------
        Struct
            ``backgroundModel``, what was added; ``fitRMS``, root mean square of the bins about it;
            ``matchedMSE``, mean square of the matched difference; ``diffImVar``, mean variance of
            the difference.

        Raises
        ------
        RuntimeError
            The exposures differ in size, or the model cannot be made.
        ValueError
            Bin size or order do not fit the exposures, or there is no overlap.
        """
        science = _pixels(sciExposure)
        options = self.config.to_options()
        found = match_to_reference(_pixels(refExposure), science, options, in_place=True)
        self.log.info(
            "background matched: fit RMS %.4g, MSE %.6g, variance of the difference %.6g",
            found.fit_rms,
            found.matched_mse,
            found.diff_variance,
        )
        return Struct(
            backgroundModel=found.model,
            fitRMS=found.fit_rms,
            matchedMSE=found.matched_mse,
            diffImVar=found.diff_variance,
        )

    def _matchOne(self, reference: Any, ref: Any, expDatasetType: str, scaler: Any) -> Struct:
        """Result of one exposure; what goes wrong with it is logged."""
        try:
            science = self._load(ref, expDatasetType, scaler)
            found = self.matchBackgrounds(refExposure=reference, sciExposure=science)
        except _MissingError:
            raise
        except Exception as error:
            if self.config.raiseOnError:
                raise
            # Documented: one exposure that cannot be matched does not end the run.
            self.log.warning("background of %s is not matched: %s", _name(ref), error)
            return _info(isReference=False)
        return _info(isReference=False, **found.getDict())

    def _checkInputs(
        self,
        expRefList: Sequence[Any],
        expDatasetType: str,
        imageScalerList: Sequence[Any] | None,
    ) -> tuple[list[Any], list[Any]]:
        refs = list(expRefList)
        if not refs:
            raise OptionError("expRefList: got none, must have at least one exposure")
        if not expDatasetType:
            raise OptionError(f"expDatasetType: got {expDatasetType!r}, must be a name")
        scalers = [None] * len(refs) if imageScalerList is None else list(imageScalerList)
        if len(scalers) != len(refs):
            raise ShapeError(f"imageScalerList: got {len(scalers)}, must be {len(refs)} scalers")
        return refs, scalers

    def _load(self, ref: Any, expDatasetType: str, scaler: Any) -> Any:
        """Copy of an exposure, scaled."""
        exposure = as_exposure(_read(ref, expDatasetType)).copy()
        if scaler is not None:
            scaler.scaleMaskedImage(exposure.getMaskedImage())
        return exposure


def _info(*, isReference: bool, **parts: Any) -> Struct:
    names = ("backgroundModel", "fitRMS", "matchedMSE", "diffImVar")
    return Struct(isReference=isReference, **{name: parts.get(name) for name in names})


def _pixels(exposure: Any) -> MaskedImage:
    pixels: MaskedImage = as_exposure(exposure).masked_image
    return pixels


def _name(ref: Any) -> str:
    return str(getattr(ref, "dataId", None) or type(ref).__name__)


def _is_same(ref: Any, other: Any) -> bool:
    if ref is other:
        return True
    mine, theirs = getattr(ref, "dataId", None), getattr(other, "dataId", None)
    return mine is not None and mine == theirs


class _MissingError(NoDataError):
    """An exposure does not exist."""


def _checkExists(ref: Any, expDatasetType: str) -> None:
    """Raise where a reference says that its exposure does not exist; others are believed."""
    check = getattr(ref, "datasetExists", None)
    if ref is None or (check is not None and not check(expDatasetType)):
        raise _MissingError(f"expRefList: {_name(ref)} does not exist")


def _read(ref: Any, expDatasetType: str) -> Any:
    """Exposure behind a reference; an exposure stands for itself."""
    _checkExists(ref, expDatasetType)
    if not hasattr(ref, "get") or hasattr(ref, "getMaskedImage"):
        return ref
    try:
        if hasattr(ref, "datasetExists"):
            return ref.get(expDatasetType, immediate=True)
        return ref.get()
    except (FileNotFoundError, LookupError) as error:
        raise _MissingError(f"expRefList: {_name(ref)} does not exist ({error})") from error
