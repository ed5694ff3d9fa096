use super::*;

#[test]
fn plans_stay_within_their_memory_and_their_cores() {
    let kernels = Kernel::ALL.into_iter().filter_map(Kernels::only);
    for kernels in kernels.chain([Kernels::of_this_processor()]) {
        for cores in [1, 2, 5, 64, 1000] {
            for pieces in [0, 1, 7, 16, 17, 5000] {
                let sizes: Vec<u64> = (0..pieces).map(|at| 1 << (50 - at % 50)).collect();
                for algorithm in Algorithm::ALL {
                    let plan = Plan::new(&sizes, algorithm, kernels, cores);
                    assert!((1..=cores).contains(&plan.workers), "{plan:?}");
                    let in_lanes = plan.workers * plan.lanes * plan.lane_bytes;
                    assert!(in_lanes <= BUFFERS_BYTES, "{plan:?}");
                    assert!(plan.workers * ALONE_BYTES <= BUFFERS_BYTES, "{plan:?}");
                    assert!(plan.lanes <= kernels.lanes_max(), "{plan:?}");
                }
            }
        }
    }
}

#[test]
fn long_ones_go_alone_where_lanes_would_stand_empty() {
    for (sizes, alone) in [
        (&[9][..], 1),
        (&[9, 9], 2),
        (&[9, 9, 9], 0),
        (&[90, 9, 9, 9], 1),
        (&[90, 50, 9, 9, 9], 2),
        (&[9, 9, 9, 9, 9], 0),
        (&[], 0),
    ] {
        let total = sizes.iter().sum();
        assert_eq!(
            longer_than_the_rest_is_wide(sizes, total),
            alone,
            "{sizes:?}"
        );
    }
}
