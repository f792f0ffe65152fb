# SPDX-License-Identifier: BSD-3-Clause
"""Conversions between this package's objects and those of other packages, imported on demand."""
