// SPDX-License-Identifier: BSD-3-Clause
//! Flagged pixels of a visit as objects, and the rules that flagged them.

use crate::spans::{Connectivity, SpanSet};

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its pixels.
    pub spans: SpanSet,
    /// Number of the rule that most of its pixels have, the first of equals.
    pub rule: usize,
    /// Share of its pixels that have it.
    pub share: f64,
}

/// Groups of touching pixels (corners included) of the union of the sets, one for each rule.
pub fn components_by_rule(sets: &[&SpanSet]) -> Vec<Judged> {
    let spans = sets.iter().flat_map(|set| set.spans().iter().copied());
    // Runs of sets are within the range of coordinates.
    let Ok(union) = SpanSet::from_spans(spans.collect()) else {
        return Vec::new();
    };
    if union.is_empty() {
        return Vec::new();
    }
    let parts = union.split(Connectivity::Eight);
    let mut runs: Vec<_> = parts
        .iter()
        .enumerate()
        .flat_map(|(k, part)| part.spans().iter().map(move |&span| (span, k)))
        .collect();
    runs.sort_unstable();
    let mut areas = vec![vec![0_u64; sets.len()]; parts.len()];
    for (rule, set) in sets.iter().enumerate() {
        for span in set.spans() {
            // A run of a set lies in one run of the union, the last that starts not after it.
            let after = runs.partition_point(|(run, _)| (run.y, run.x0) <= (span.y, span.x0));
            areas[runs[after - 1].1][rule] += span.width();
        }
    }
    let judged = parts.into_iter().zip(areas).map(|(spans, areas)| {
        let mut rule = 0;
        for (k, &area) in areas.iter().enumerate() {
            if area > areas[rule] {
                rule = k;
            }
        }
        let share = areas[rule] as f64 / spans.area() as f64;
        Judged { spans, rule, share }
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::Span;

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let list = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(list.collect()).expect("small")
    }

    #[test]
    fn the_rule_of_most_pixels() {
        let sharp = set(&[(0, 0, 1), (1, 2, 2), (5, 0, 3)]);
        let smooth = set(&[(0, 2, 6), (5, 0, 3), (9, 9, 9)]);
        let found = components_by_rule(&[&sharp, &smooth]);
        let facts: Vec<_> = found
            .iter()
            .map(|j| (j.spans.area(), j.rule, j.share))
            .collect();
        assert_eq!(facts, [(8, 1, 5.0 / 8.0), (4, 0, 1.0), (1, 1, 1.0)]);
        assert!(components_by_rule(&[&set(&[]), &set(&[])]).is_empty());
        assert!(components_by_rule(&[]).is_empty());
    }
}
