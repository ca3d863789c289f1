//! The features of the processor that code chooses by, as this process sees them: run it under valgrind to see what the
//! counted code sees there.

#[expect(clippy::print_stdout, reason = "this is the product, for a script")]
fn main() {
    println!("{}", features().join(" "));
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let mut features = Vec::new();
    macro_rules! detect {
        ($($name:tt)*) => { $(if is_x86_feature_detected!($name) { features.push($name); })* };
    }
    detect!("sse4.2" "pclmulqdq" "avx" "avx2" "bmi1" "bmi2" "fma" "sha" "avx512f" "avx512vl" "avx512vbmi" "vpclmulqdq" "gfni");
    features
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let mut features = Vec::new();
    macro_rules! detect {
        ($($name:tt)*) => { $(if std::arch::is_aarch64_feature_detected!($name) { features.push($name); })* };
    }
    detect!("neon" "crc" "pmull" "sha2" "sha3" "sve" "sve2");
    features
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
