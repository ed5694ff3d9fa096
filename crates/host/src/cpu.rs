//! The processor's features that change speed, or how numbers round.

/// Those that this machine has, in a fixed order, after the architecture's name.
#[must_use]
pub fn features() -> Vec<String> {
    let mut features = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(target_arch = "x86_64")]
    {
        for (name, is_there) in [
            ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
            ("avx", std::arch::is_x86_feature_detected!("avx")),
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
            ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
            ("sha", std::arch::is_x86_feature_detected!("sha")),
        ] {
            if is_there {
                features.push(name.to_owned());
            }
        }
    }
    features
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_architecture_comes_first() {
        assert_eq!(
            super::features().first().map(String::as_str),
            Some(std::env::consts::ARCH)
        );
    }
}
