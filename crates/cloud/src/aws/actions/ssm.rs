//! Systems Manager: the kill switch's parameter, and the change calendar.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{CalendarState, ParameterType};

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "GetParameter" get_parameter (set_name name("Name"), set_with_decryption flag("WithDecryption"))
        answer => object! {
            "Parameter": answer.parameter().map(|parameter| object! {
                "Name": parameter.name(),
                "Type": parameter.r#type().map(ParameterType::as_str),
                "Value": parameter.value(),
                "Version": parameter.version(),
                "LastModifiedDate": parameter.last_modified_date(),
                "ARN": parameter.arn(),
                "DataType": parameter.data_type(),
            }),
        };
    "GetCalendarState" get_calendar_state (
        set_calendar_names names("CalendarNames"), set_at_time text("AtTime"))
        answer => object! {
            "State": answer.state().map(CalendarState::as_str),
            "AtTime": answer.at_time(),
            "NextTransitionTime": answer.next_transition_time(),
        };
}
