use std::time::Duration;
fn main() {
    for n in [10_000usize, 40_000, 100_000] {
        let mut lane = distributary::fuzzing::toll::Lane::new(n, Duration::from_micros(4));
        let mut v = vec![];
        for _ in 0..8 {
            v.push(lane.event(&[b'x'; 1024], Duration::from_micros(200)));
        }
        for t in v {
            println!("{n} {t:?}");
        }
    }
}
