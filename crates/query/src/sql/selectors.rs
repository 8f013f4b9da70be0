//! `selector_first`, `selector_last`, `selector_min` and `selector_max` of InfluxDB 3: the value and the time of one
//! row, `{value, time}`. Rows without a value or a time do not count. Of equal times any may be chosen, of equal values
//! the earliest.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{Array as _, ArrayRef, AsArray as _, StructArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit, TimestampNanosecondType};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

/// Which row is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Selected {
    First,
    Last,
    Min,
    Max,
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SelectorFunction {
    selected: Selected,
    signature: Signature,
}

impl SelectorFunction {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let signature = || Signature::any(2, Volatility::Immutable);
        [Selected::First, Selected::Last, Selected::Min, Selected::Max]
            .into_iter()
            .map(move |selected| Self { selected, signature: signature() })
    }
}

fn members(value: &DataType, time: &DataType) -> Fields {
    Fields::from(vec![Field::new("value", value.clone(), true), Field::new("time", time.clone(), true)])
}

impl AggregateUDFImpl for SelectorFunction {
    fn name(&self) -> &'static str {
        match self.selected {
            Selected::First => "selector_first",
            Selected::Last => "selector_last",
            Selected::Min => "selector_min",
            Selected::Max => "selector_max",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value, time @ DataType::Timestamp(TimeUnit::Nanosecond, _)] => Ok(DataType::Struct(members(value, time))),
            _ => plan_err!("{} expects a value and a time in nanoseconds", self.name()),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let DataType::Struct(members) = arguments.return_type() else {
            return exec_err!("the state of a selector is a value and a time");
        };
        let state = |member: &FieldRef| {
            Arc::new(member.as_ref().clone().with_name(format_state_name(arguments.name, member.name())))
        };
        Ok(members.iter().map(state).collect())
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let DataType::Struct(members) = arguments.return_field.data_type() else {
            return exec_err!("the answer of a selector is a value and a time");
        };
        let nulls: Vec<ScalarValue> =
            members.iter().map(|member| ScalarValue::try_from(member.data_type())).collect::<Result<_>>()?;
        let [value, time] = nulls.try_into().or_else(|_| exec_err!("a selector has two members"))?;
        Ok(Box::new(Selector { selected: self.selected, members: members.clone(), value, time }))
    }
}

/// The row that was chosen so far.
#[derive(Debug)]
struct Selector {
    selected: Selected,
    members: Fields,
    value: ScalarValue,
    time: ScalarValue,
}

impl Selector {
    /// Whether another row comes before the one that was chosen.
    fn is_better(&self, by_value: impl FnOnce() -> Ordering, by_time: Ordering) -> bool {
        match self.selected {
            Selected::First => by_time.is_lt(),
            Selected::Last => by_time.is_gt(),
            Selected::Min => by_value().then(by_time).is_lt(),
            Selected::Max => by_value().reverse().then(by_time).is_lt(),
        }
    }

    /// The row of a batch that would be chosen from it alone.
    fn best(&self, values: &ArrayRef, times: &ArrayRef) -> Result<Option<usize>> {
        let stamps = times.as_primitive::<TimestampNanosecondType>();
        let compare = make_comparator(values, values, SortOptions::default())?;
        let mut best: Option<usize> = None;
        for row in 0..values.len() {
            if values.is_null(row) || stamps.is_null(row) {
                continue;
            }
            let is_better = best
                .is_none_or(|best| self.is_better(|| compare(row, best), stamps.value(row).cmp(&stamps.value(best))));
            if is_better {
                best = Some(row);
            }
        }
        Ok(best)
    }
}

impl Accumulator for Selector {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [values, times] = columns else { return exec_err!("a selector takes a value and a time") };
        let Some(row) = self.best(values, times)? else { return Ok(()) };
        let value = ScalarValue::try_from_array(values, row)?;
        let time = ScalarValue::try_from_array(times, row)?;
        let order = |left: &ScalarValue, right: &ScalarValue| left.partial_cmp(right).unwrap_or(Ordering::Equal);
        if self.time.is_null() || self.is_better(|| order(&value, &self.value), order(&time, &self.time)) {
            (self.value, self.time) = (value, time);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.time.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let columns = vec![self.value.to_array()?, self.time.to_array()?];
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(self.members.clone(), columns, None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size() - size_of::<ScalarValue>()
    }
}
