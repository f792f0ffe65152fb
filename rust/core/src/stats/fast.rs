// SPDX-License-Identifier: BSD-3-Clause
//! MEAN, MEDIAN and MEANCLIP of `f32` stacks, many pixels at a time.
//!
//! A strip of a row is loaded and summed. For quantiles its samples are kept and sorted in groups
//! that stay in the first cache. Most pixels of a clipped stack lose no sample in any pass: the
//! extremes of the samples tell which, and their moments are already known. The others go through
//! the passes, in their group if it has many of them, else in groups of their own.

use super::finish::{Finish, Words, complete};
use super::load::{LANES, Lanes, Line, Source, Survey, Target, move_lane, take};
use super::network::{Network, mark_quartiles, quartiles};
use super::passes::{
    Answer, ClippedGroup, GroupPasses, Quartiles, advance, losing, means, medians, results,
    take_pass,
};
use super::props::{ErrorMode, MaskRules, Options, Property, Weighting};
use super::stack::{Diagnostics, Row, StackInput, lines_at};
use super::sums::{Recipe, RowWeight, Rows, Sums};

/// Groups of a strip, at most: 4 KiB of each plane, since memory is fetched ahead within a page. What
/// is known of them stays in the second cache.
const MOST_GROUPS: usize = 64;

/// Pixels of a group that lose samples from which on it is clipped as it stands.
const MANY: usize = LANES / 2;

/// What to compute, and everything that is the same for all pixels.
pub struct Plan<'a, 'o> {
    property: Property,
    options: &'o Options,
    rules: &'o MaskRules<'o>,
    truncation: f64,
    recipe: Recipe,
    /// For groups in which every sample of every pixel is good, and for the others.
    complete: Network,
    partial: Network,
    images: Vec<ndarray::ArrayView2<'a, f32>>,
    masks: Option<Vec<ndarray::ArrayView2<'a, i32>>>,
    variances: Option<Vec<ndarray::ArrayView2<'a, f32>>>,
    /// Mask words of a strip without masks.
    no_words: Vec<i32>,
}

impl<'a, 'o> Plan<'a, 'o> {
    /// A plan, if this kernel can do what is asked; else the general one must.
    pub fn new(
        input: &StackInput<'a, f32>,
        property: Property,
        options: &'o Options,
        rules: &'o MaskRules<'o>,
    ) -> Option<Self> {
        let known = [Property::MEAN, Property::MEDIAN, Property::MEANCLIP].contains(&property);
        if !known || !options.nan_safe || options.mask_from_kept {
            return None;
        }
        // Images of weight 0 are absent.
        let weight = |k: usize| match input.weighting {
            Weighting::PerImage(weights) => weights[k],
            _ => 1.0,
        };
        let used: Vec<usize> = (0..input.images.len())
            .filter(|&k| weight(k) != 0.0)
            .collect();
        let n = used.len();
        if n == 0 || n > usize::from(u16::MAX) {
            return None;
        }
        let inverse = matches!(input.weighting, Weighting::InverseVariance);
        let per_image = matches!(input.weighting, Weighting::PerImage(_));
        let scatter = options.error_mode == ErrorMode::Scatter;
        let variances = !scatter && property != Property::MEDIAN;
        let mosaic = options.error_mode == ErrorMode::Mosaic;
        let row_weight = |k: usize| match (inverse, mosaic) {
            (true, _) => RowWeight {
                w: 1.0,
                ww: 1.0,
                wv: if mosaic { 1.0 } else { 0.0 },
            },
            (false, true) => RowWeight {
                w: weight(k),
                ww: weight(k) * weight(k),
                wv: weight(k),
            },
            (false, false) => RowWeight {
                w: weight(k),
                ww: weight(k) * weight(k),
                wv: weight(k) * weight(k),
            },
        };
        let weights = used.iter().map(|&k| row_weight(k)).collect();
        let recipe = Recipe {
            weights,
            unit: !inverse && !per_image,
            inverse,
            variances,
        };
        let mut wanted = vec![false; n];
        mark_quartiles(n, &mut wanted);
        let needs_variances = inverse || variances;
        Some(Self {
            property,
            options,
            rules,
            truncation: options.truncation(),
            recipe,
            complete: Network::new(n, &wanted),
            partial: Network::new(n, &vec![true; n]),
            images: used.iter().map(|&k| input.images[k]).collect(),
            masks: input
                .masks
                .map(|planes| used.iter().map(|&k| planes[k]).collect()),
            variances: input
                .variances
                .filter(|_| needs_variances)
                .map(|planes| used.iter().map(|&k| planes[k]).collect()),
            no_words: vec![0; MOST_GROUPS * LANES],
        })
    }

    /// Groups of a strip: so many that its samples stay in the second cache.
    fn strip_groups(&self) -> usize {
        (65_536 / LANES / self.images.len()).clamp(1, MOST_GROUPS)
    }

    /// Rows from one group to the next: odd, for the rows of an image shall not all fall into a
    /// few sets of the cache.
    fn rows(&self) -> usize {
        self.images.len() | 1
    }

    fn words(&self) -> Words<'_> {
        Words::new(self.images.len(), self.options, self.rules)
    }

    /// Computes rows of the outputs.
    pub fn run(&self, rows: &mut [Row<f32>]) -> Diagnostics {
        let width = rows.first().map_or(0, |row| row.image.len());
        let step = self.strip_groups() * LANES;
        let mut work = Work::new(self);
        let mut strips = Vec::new();
        for (row, y) in rows.iter().map(|row| row.y).enumerate() {
            strips.extend((0..width).step_by(step).map(|x| Strip {
                row,
                y,
                x,
                w: step.min(width - x),
            }));
        }
        for strip in strips {
            work.load(self, strip, &mut rows[strip.row]);
            if self.property != Property::MEAN {
                work.evaluate(self);
            }
            work.write(self, rows);
        }
        work.clip_hard(self, rows);
        work.total
    }
}

/// Pixels x to x + w of a row.
#[derive(Debug, Clone, Copy, Default)]
struct Strip {
    row: usize,
    y: usize,
    x: usize,
    w: usize,
}

impl Strip {
    fn groups(&self) -> usize {
        self.w.div_ceil(LANES)
    }

    fn of<'a, T>(&self, planes: &'a [ndarray::ArrayView2<'a, T>]) -> Vec<&'a [T]> {
        let mut lines = lines_at(planes, self.y);
        for line in &mut lines {
            *line = &line[self.x..self.x + self.w];
        }
        lines
    }

    /// Writes numbers of groups to a row.
    fn put<T: Copy, G>(&self, groups: &[G], number: impl Fn(&G) -> &Lanes<T>, line: &mut [T]) {
        let line = &mut line[self.x..self.x + self.w];
        let (whole, rest) = line.as_chunks_mut::<LANES>();
        for g in 0..whole.len() {
            whole[g] = *number(&groups[g]);
        }
        if !rest.is_empty() {
            rest.copy_from_slice(&number(&groups[whole.len()])[..rest.len()]);
        }
    }
}

/// Sum of the weights of the rejected samples of pixel `l` of a strip that carry a bit.
fn weigh_rejected(plan: &Plan<'_, '_>, sources: &[Source], bit: u8, l: usize) -> f64 {
    let mut sum = 0.0;
    for (source, weight) in sources.iter().zip(&plan.recipe.weights) {
        if source.words[l] >> bit & 1 == 0 {
            continue;
        }
        let good = source.x[l].is_finite() && source.words[l] & plan.options.bad_bits == 0;
        if !plan.recipe.inverse {
            sum += if good { 0.0 } else { weight.w };
            continue;
        }
        let v = f64::from(source.v[l]);
        let measured = v.is_finite() && v > 0.0;
        sum += if measured && !good { 1.0 / v } else { 0.0 };
    }
    sum
}

/// Pixels that lose samples: their samples, and what is known of them.
struct Hard {
    /// Row and column of each.
    places: Vec<(usize, usize)>,
    samples: Vec<Line<f32>>,
    variances: Vec<Line<f32>>,
    all: Sums,
    quartiles: Quartiles,
}

impl Hard {
    fn new(rows: usize, with_variances: bool) -> Self {
        Self {
            places: Vec::with_capacity(LANES),
            samples: vec![Line([f32::INFINITY; LANES]); rows],
            variances: vec![Line([1.0; LANES]); if with_variances { rows } else { 0 }],
            all: Sums::EMPTY,
            quartiles: Quartiles::EMPTY,
        }
    }
}

/// Memory of one thread. Vectors have one element a group if nothing else is said.
struct Work<'p> {
    strip: Strip,
    sources: Vec<Source<'p>>,
    /// [`Plan::rows`] lines a group.
    samples: Vec<Line<f32>>,
    variances: Vec<Line<f32>>,
    /// A group in order of size.
    sorted: Vec<Line<f32>>,
    survey: Vec<Survey>,
    sums: Vec<Sums>,
    quartiles: Vec<Quartiles>,
    losing: Vec<Line<u64>>,
    answers: Vec<Answer>,
    hard: Hard,
    total: Diagnostics,
}

impl<'p> Work<'p> {
    fn new(plan: &Plan<'_, '_>) -> Self {
        let (n, groups) = (plan.images.len(), plan.strip_groups());
        let samples = if plan.property == Property::MEAN {
            0
        } else {
            groups * plan.rows()
        };
        let variances = if plan.variances.is_some() { samples } else { 0 };
        Self {
            strip: Strip::default(),
            sources: Vec::with_capacity(n),
            samples: vec![Line([f32::INFINITY; LANES]); samples],
            variances: vec![Line([1.0; LANES]); variances],
            sorted: vec![Line([0.0; LANES]); n],
            survey: vec![Survey::EMPTY; groups],
            sums: vec![Sums::EMPTY; groups],
            quartiles: vec![Quartiles::EMPTY; groups],
            losing: vec![Line([0; LANES]); groups],
            answers: vec![Answer::EMPTY; groups],
            hard: Hard::new(n, plan.variances.is_some()),
            total: Diagnostics::default(),
        }
    }

    /// Loads and sums the samples of a strip; writes their means if these are what is wanted.
    fn load(&mut self, plan: &'p Plan<'_, '_>, strip: Strip, row: &mut Row<'_, f32>) {
        self.strip = strip;
        self.sources.clear();
        let images = strip.of(&plan.images);
        let masks = plan.masks.as_ref().map(|planes| strip.of(planes));
        let variances = plan.variances.as_ref().map(|planes| strip.of(planes));
        self.sources.extend((0..images.len()).map(|k| Source {
            x: images[k],
            words: masks.as_ref().map_or(&plan.no_words, |masks| masks[k]),
            v: variances.as_ref().map_or(&[], |variances| variances[k]),
        }));
        let groups = strip.groups();
        let keep = plan.property != Property::MEAN;
        let place = (strip.x, strip.w);
        let finish =
            (!keep).then(|| Finish::new(plan.words(), plan.options.error_mode, row, place));
        let target = Target {
            survey: &mut self.survey[..groups],
            sums: &mut self.sums[..groups],
            rows: plan.rows(),
            samples: &mut self.samples,
            variances: &mut self.variances,
            finish,
        };
        let how = (plan.options.bad_bits, keep);
        take(&self.sources, &plan.recipe, how, target);
    }

    /// Evaluates the strip that was loaded, as if no pixel lost samples to clipping.
    fn evaluate(&mut self, plan: &Plan<'_, '_>) {
        let groups = self.strip.groups();
        for g in 0..groups {
            self.sort_group(plan, g);
        }
        let (sums, answers) = (&self.sums[..groups], &mut self.answers[..groups]);
        if plan.property == Property::MEDIAN {
            medians(sums, &self.quartiles, answers);
        } else {
            means(sums, plan.options.error_mode, plan.truncation, answers);
        }
        complete(plan.words(), &mut self.survey[..groups]);
    }

    /// The samples of a group.
    fn group(&self, plan: &Plan<'_, '_>, g: usize) -> Rows<'_> {
        let (start, n) = (g * plan.rows(), plan.images.len());
        let v = if self.variances.is_empty() {
            &[]
        } else {
            &self.variances[start..start + n]
        };
        let x = &self.samples[start..start + n];
        Rows { x, v }
    }

    /// Finds the quartiles of a group and the pixels that lose samples.
    fn sort_group(&mut self, plan: &Plan<'_, '_>, g: usize) {
        let start = g * plan.rows();
        let samples = &self.samples[start..start + plan.images.len()];
        let (seen, found) = (&self.survey[g], &mut self.quartiles[g]);
        let network = if seen.n == [plan.images.len() as u32; LANES] {
            &plan.complete
        } else {
            &plan.partial
        };
        network.sort(samples, &mut self.sorted);
        let clips = plan.property == Property::MEANCLIP;
        quartiles(&self.sorted, &seen.n, clips, found);
        if clips {
            let losing_here = &mut self.losing[g].0;
            losing(&self.sums[g], seen, found, plan.options, losing_here);
        }
    }

    /// Sets the bits of rejected samples that weigh more than their thresholds allow.
    fn raise_bits(&self, plan: &Plan<'_, '_>, words: &mut [i32]) {
        for &(bit, threshold) in &plan.options.thresholds {
            for (g, survey) in self.survey[..self.strip.groups()].iter().enumerate() {
                if survey.any_mask.iter().fold(0, |any, word| any | word) >> bit & 1 == 0 {
                    continue;
                }
                for l in 0..(self.strip.w - g * LANES).min(LANES) {
                    if survey.n[l] == 0 || survey.any_mask[l] >> bit & 1 == 0 {
                        continue;
                    }
                    let x = g * LANES + l;
                    let rejected = weigh_rejected(plan, &self.sources, bit, x);
                    if rejected / (self.sums[g].s0[l] + rejected) > threshold {
                        words[x] |= 1 << bit;
                    }
                }
            }
        }
    }

    /// Writes the pixels of the strip and clips those that lose samples, or sets them aside.
    fn write(&mut self, plan: &Plan<'_, '_>, rows: &mut [Row<'_, f32>]) {
        let strip = self.strip;
        for (g, survey) in self.survey[..strip.groups()].iter().enumerate() {
            let pixels = (strip.w - g * LANES).min(LANES);
            let n = survey.n[..pixels].iter().sum::<u32>();
            self.total.n_samples += u64::from(n);
        }
        if strip.w > 0 {
            self.write_answers(plan, &mut rows[strip.row]);
        }
        if plan.property == Property::MEANCLIP {
            for g in 0..strip.groups() {
                self.clip(plan, rows, g);
            }
        }
    }

    /// Writes what is known of the pixels of the strip, as if none were clipped.
    fn write_answers(&self, plan: &Plan<'_, '_>, row: &mut Row<'_, f32>) {
        let strip = self.strip;
        if plan.property != Property::MEAN {
            strip.put(&self.answers, |a| &a.value, row.image);
            if let Some(plane) = &mut row.variance {
                strip.put(&self.answers, |a| &a.variance, plane);
            }
            if let Some(plane) = &mut row.weight_sum {
                strip.put(&self.answers, |a| &a.weight, plane);
            }
            if let Some(plane) = &mut row.mask {
                strip.put(&self.survey, |s| &s.or_mask, plane);
            }
            if let Some(plane) = &mut row.n_point {
                strip.put(&self.survey, |s| &s.n, plane);
            }
        }
        if let Some(plane) = &mut row.mask {
            self.raise_bits(plan, &mut plane[strip.x..strip.x + strip.w]);
        }
        if let Some(plane) = &mut row.n_clipped {
            plane[strip.x..strip.x + strip.w].fill(0);
        }
    }

    /// Clips the pixels of a group that lose samples, or sets them aside.
    fn clip(&mut self, plan: &Plan<'_, '_>, rows: &mut [Row<'_, f32>], g: usize) {
        let strip = self.strip;
        let (x, losing) = (strip.x + g * LANES, self.losing[g].0);
        let n_losing = losing.iter().sum::<u64>() as usize;
        if n_losing == 0 {
            return;
        }
        let clipped = (n_losing >= MANY).then(|| {
            let samples = self.group(plan, g);
            clip_group(plan, (samples, &self.sums[g], &self.quartiles[g]))
        });
        // Pixels beyond the end have no samples to lose.
        for l in (0..LANES).filter(|&l| losing[l] != 0) {
            if let Some(clipped) = &clipped {
                put(
                    plan,
                    rows,
                    (strip.row, x + l),
                    (clipped, l),
                    &mut self.total,
                );
                continue;
            }
            self.set_aside(plan, (g, l), (strip.row, x + l));
            if self.hard.places.len() == LANES {
                self.clip_hard(plan, rows);
            }
        }
    }

    /// Copies one pixel into the group of those that must be clipped.
    fn set_aside(&mut self, plan: &Plan<'_, '_>, (g, l): (usize, usize), place: (usize, usize)) {
        let (start, hard) = (g * plan.rows(), &mut self.hard);
        let (end, j) = (start + plan.images.len(), hard.places.len());
        move_lane(&self.samples[start..end], l, &mut hard.samples, j);
        if !self.variances.is_empty() {
            move_lane(&self.variances[start..end], l, &mut hard.variances, j);
        }
        hard.all.put(j, self.sums[g].at(l));
        hard.quartiles.median[j] = self.quartiles[g].median[l];
        hard.quartiles.iqr[j] = self.quartiles[g].iqr[l];
        hard.places.push(place);
    }

    /// Clips the pixels set aside.
    fn clip_hard(&mut self, plan: &Plan<'_, '_>, rows: &mut [Row<'_, f32>]) {
        let hard = &mut self.hard;
        let samples = Rows {
            x: &hard.samples,
            v: &hard.variances,
        };
        let clipped = clip_group(plan, (samples, &hard.all, &hard.quartiles));
        for (l, place) in hard.places.drain(..).enumerate() {
            put(plan, rows, place, (&clipped, l), &mut self.total);
        }
    }
}

/// Runs the clipping passes over a group.
fn clip_group(
    plan: &Plan<'_, '_>,
    (samples, all, quartiles): (Rows, &Sums, &Quartiles),
) -> ClippedGroup {
    let mut passes = GroupPasses::new(quartiles, plan.options);
    let mut kept = Sums::EMPTY;
    for pass in 0..plan.options.n_iter {
        // The first pass starts from the quartiles.
        if pass > 0 && !advance(&mut passes, all, plan.options) {
            break;
        }
        let (centre, half_width) = (&passes.centre, &passes.half_width);
        plan.recipe.sum(samples, centre, half_width, &mut kept);
        take_pass(&mut passes, &kept, all);
    }
    let mut clipped = ClippedGroup::EMPTY;
    let how = (plan.options, plan.truncation);
    results(&passes, all, quartiles, how, &mut clipped);
    clipped
}

/// Writes a clipped pixel.
fn put(
    plan: &Plan<'_, '_>,
    rows: &mut [Row<'_, f32>],
    (row, x): (usize, usize),
    (clipped, l): (&ClippedGroup, usize),
    total: &mut Diagnostics,
) {
    let (row, n) = (&mut rows[row], clipped.n_clipped[l]);
    total.n_clipped += u64::from(n);
    total.n_fallback += u64::from(clipped.fell_back[l]);
    row.image[x] = clipped.answer.value[l];
    if let Some(plane) = &mut row.variance {
        plane[x] = clipped.answer.variance[l];
    }
    if let Some(plane) = &mut row.weight_sum {
        plane[x] = clipped.answer.weight[l];
    }
    if let Some(plane) = &mut row.n_clipped {
        plane[x] = n;
    }
    if let (Some(plane), true) = (&mut row.mask, n > 0) {
        plane[x] |= plan.rules.clipped_bits;
    }
}
