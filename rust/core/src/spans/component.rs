// SPDX-License-Identifier: BSD-3-Clause
//! Connected components of runs, by union-find over adjacent rows.

use super::span_set::{Span, SpanSet};

/// Which pixels touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner.
    Eight,
}

/// Runs by component: component k holds `spans[starts[k]..starts[k + 1]]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    pub spans: Vec<Span>,
    pub starts: Vec<usize>,
}

impl Groups {
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn get(&self, k: usize) -> &[Span] {
        &self.spans[self.starts[k]..self.starts[k + 1]]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[Span]> {
        (0..self.len()).map(|k| self.get(k))
    }
}

fn root(parents: &mut [u32], mut k: u32) -> u32 {
    while parents[k as usize] != k {
        let above = parents[parents[k as usize] as usize];
        parents[k as usize] = above;
        k = above;
    }
    k
}

/// Component of every run, numbered by first run, and the number of components. The runs are
/// sorted and maximal.
pub(super) fn components(spans: &[Span], connectivity: Connectivity) -> (Vec<u32>, usize) {
    let reach = i32::from(connectivity == Connectivity::Eight);
    let mut parents: Vec<u32> = (0..spans.len() as u32).collect();
    // runs of the row above the current one: before..row; the current row starts at `row`
    let (mut before, mut row) = (0, 0);
    for i in 0..spans.len() {
        let span = spans[i];
        if span.y != spans[row].y {
            before = if span.y == spans[row].y + 1 { row } else { i };
            row = i;
        }
        while before < row && spans[before].x1 + reach < span.x0 {
            before += 1;
        }
        let mut k = before;
        while k < row && spans[k].x0 - reach <= span.x1 {
            let (a, b) = (root(&mut parents, i as u32), root(&mut parents, k as u32));
            // the smaller root stays, so that a parent always comes before its child
            parents[a.max(b) as usize] = a.min(b);
            k += 1;
        }
    }
    let mut n = 0;
    for k in 0..parents.len() {
        let parent = parents[k] as usize;
        if parent == k {
            parents[k] = n;
            n += 1;
        } else {
            parents[k] = parents[parent];
        }
    }
    (parents, n as usize)
}

/// Runs sorted by label; labels below `n` only. The order within a label stays.
pub(super) fn group(spans: &[Span], labels: &[u32], n: usize) -> Groups {
    let mut starts = vec![0; n + 1];
    for &label in labels {
        starts[label as usize + 1] += 1;
    }
    for k in 0..n {
        starts[k + 1] += starts[k];
    }
    let mut next = starts.clone();
    let mut sorted = vec![Span::new(0, 0, 0); spans.len()];
    for (&span, &label) in spans.iter().zip(labels) {
        sorted[next[label as usize]] = span;
        next[label as usize] += 1;
    }
    Groups {
        spans: sorted,
        starts,
    }
}

impl SpanSet {
    /// The connected components, by first run; of an empty set one empty set.
    pub fn split(&self, connectivity: Connectivity) -> Vec<Self> {
        if self.is_empty() {
            return vec![Self::default()];
        }
        let (labels, n) = components(self.spans(), connectivity);
        let groups = group(self.spans(), &labels, n);
        groups
            .iter()
            .map(|part| Self::from_runs(part.to_vec()))
            .collect()
    }

    /// Whether there is at most one connected component.
    pub fn is_contiguous(&self, connectivity: Connectivity) -> bool {
        components(self.spans(), connectivity).1 <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let spans = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(spans.collect()).expect("small")
    }

    #[test]
    fn diagonal_pixels_and_the_u_shape() {
        let diagonal = set(&[(0, 0, 0), (1, 1, 1)]);
        assert_eq!(diagonal.split(Connectivity::Four).len(), 2);
        assert_eq!(diagonal.split(Connectivity::Eight).len(), 1);
        for dy in [-1, 8] {
            let u = set(&[(dy, 0, 0), (dy, 4, 4), (dy + 1, 0, 4)]);
            assert_eq!(u.split(Connectivity::Four).len(), 1);
            assert!(u.is_contiguous(Connectivity::Four));
        }
    }

    #[test]
    fn components_come_in_the_order_of_their_first_run() {
        // the last run joins the first and the third
        let comb = set(&[
            (0, 0, 0),
            (0, 2, 2),
            (0, 4, 4),
            (1, 0, 0),
            (1, 4, 4),
            (2, 0, 4),
        ]);
        let parts = comb.split(Connectivity::Four);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1], set(&[(0, 2, 2)]));
        assert_eq!(SpanSet::default().split(Connectivity::Four).len(), 1);
        assert!(SpanSet::default().is_contiguous(Connectivity::Eight));
        let gap = set(&[(0, 0, 9), (2, 0, 9)]);
        assert!(!gap.is_contiguous(Connectivity::Eight));
    }
}
