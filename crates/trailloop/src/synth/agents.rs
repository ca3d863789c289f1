//! User agents, in the form that each program sends.

use super::accounts::mix;
use super::act::Who;

/// Picks by weight.
pub(super) fn pick<T: Copy>(random: &mut fastrand::Rng, choices: &[(u32, T)]) -> T {
    let total: u32 = choices.iter().map(|(weight, _)| weight).sum();
    let mut at = random.u32(0..total.max(1));
    for (weight, choice) in choices {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *choice,
        }
    }
    choices[choices.len() - 1].1
}

pub(super) fn pick_one<T: Copy>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(0..choices.len())]
}

const CONTAINERS: &[&str] = &[
    "aws-sdk-java/2.29.6 Linux/5.10.226 OpenJDK_64-Bit_Server_VM/21.0.5 Java/21.0.5",
    "Boto3/1.35.60 md/Botocore#1.35.60 ua/2.0 os/linux#5.10.226 md/arch#x86_64 lang/python#3.12.7",
    "aws-sdk-go-v2/1.32.4 os/linux lang/go#1.23.3 md/GOOS#linux md/GOARCH#arm64",
    "aws-sdk-js/3.693.0 ua/2.1 os/linux#5.10.226 lang/js md/nodejs#20.18.0",
];

const FUNCTIONS: &[&str] = &[
    "Boto3/1.35.60 md/Botocore#1.35.60 ua/2.0 os/linux#5.10.226 md/arch#x86_64 lang/python#3.12.7 exec-env/AWS_Lambda_python3.12",
    "aws-sdk-js/3.693.0 ua/2.1 os/linux#5.10.226 lang/js md/nodejs#20.18.0 exec-env/AWS_Lambda_nodejs20.x",
    "aws-sdk-java/2.29.6 Linux/5.10.226 OpenJDK_64-Bit_Server_VM/21.0.5 Java/21.0.5 exec-env/AWS_Lambda_java21",
];

const INSTANCES: &[&str] = &[
    "aws-sdk-go/1.55.5 (go1.22.7; linux; amd64) amazon-ssm-agent/3.3.987.0",
    "Boto3/1.35.60 md/Botocore#1.35.60 ua/2.0 os/linux#6.1.112 md/arch#x86_64 lang/python#3.9.20",
    "aws-sdk-java/1.12.777 Linux/6.1.112 OpenJDK_64-Bit_Server_VM/17.0.13 java/17.0.13",
];

const PIPELINES: &[&str] = &[
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.76.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.4 os/linux lang/go#1.23.3 md/GOOS#linux md/GOARCH#amd64",
    "APN/1.0 HashiCorp/1.0 Terraform/1.8.5 (+https://www.terraform.io) terraform-provider-aws/5.60.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64",
    "aws-cli/2.19.1 md/awscrt#0.22.0 ua/2.0 os/linux#6.5.0 md/arch#x86_64 lang/python#3.12.6 exec-env/CI md/installer#exe md/prompt#off",
];

pub(super) const AGENTS_OF_SCANNER: &[&str] = &[
    "Boto3/1.34.162 md/Botocore#1.34.162 ua/2.0 os/linux#5.15.0 md/arch#x86_64 lang/python#3.11.9",
];

pub(super) const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
];

pub(super) const COMMAND_LINES: &[&str] = &[
    "aws-cli/2.19.1 md/awscrt#0.22.0 ua/2.0 os/macos#23.6.0 md/arch#arm64 lang/python#3.12.7 md/installer#source md/prompt#off",
    "aws-cli/2.18.9 md/awscrt#0.22.0 ua/2.0 os/windows#10 md/arch#amd64 lang/python#3.12.6 md/installer#exe md/prompt#off",
    "aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#5.15.153 md/arch#x86_64 lang/python#3.11.8 md/installer#exe md/distrib#ubuntu.22 md/prompt#off",
];

pub(super) const VENDING: &str = "Boto3/1.35.60 md/Botocore#1.35.60 ua/2.0 os/linux#5.10.226 md/arch#x86_64 lang/python#3.12.7 exec-env/AWS_Lambda_python3.12";
pub(super) const REPORTING: &str = "aws-sdk-java/1.12.777 Linux/5.15.0 OpenJDK_64-Bit_Server_VM/11.0.25 java/11.0.25 vendor/Eclipse_Adoptium AthenaJDBC/3.3.0";
pub(super) const OLD: &str =
    "aws-sdk-php/3.222.17 OS/Linux/4.15.0 lang/php/7.4.33 GuzzleHttp/6.5.8 curl/7.58.0 PHP/7.4.33";

/// What a workload's kind is written in; an app does not change its language.
pub(super) fn of_workload(random: &mut fastrand::Rng, who: Who, app: &[&str]) -> &'static str {
    match who {
        Who::Function => FUNCTIONS[index(app, FUNCTIONS)],
        Who::Instance => pick_one(random, INSTANCES),
        Who::Pipeline => of_pipeline(random, app),
        _ => CONTAINERS[index(app, CONTAINERS)],
    }
}

/// Most repositories use one version of one tool; a few steps of each use the command line.
pub(super) fn of_pipeline(random: &mut fastrand::Rng, app: &[&str]) -> &'static str {
    let tools = PIPELINES.len() - 1;
    if random.u8(0..6) == 0 { PIPELINES[tools] } else { PIPELINES[index(app, &PIPELINES[..tools])] }
}

fn index(app: &[&str], agents: &[&str]) -> usize {
    usize::try_from(mix(app, 7) % agents.len() as u64).unwrap_or(0)
}
