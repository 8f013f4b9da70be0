//! Cells of dashboards as templates have them: charts. Both say the same in other words; what neither list below names
//! goes through as it is.

use serde_json::{Map, Value, json};

use super::text;
use crate::api_error::{ApiError, ApiResult};

/// What views and charts call their kinds.
const KINDS: [(&str, &str); 12] = [
    ("line-plus-single-stat", "Single_Stat_Plus_Line"),
    ("single-stat", "Single_Stat"),
    ("xy", "Xy"),
    ("gauge", "Gauge"),
    ("heatmap", "Heatmap"),
    ("histogram", "Histogram"),
    ("markdown", "Markdown"),
    ("scatter", "Scatter"),
    ("table", "Table"),
    ("mosaic", "Mosaic"),
    ("band", "Band"),
    ("geo", "Geo"),
];

/// What views and charts call the same things.
const KEYS: [(&str, &str); 4] =
    [("xColumn", "xCol"), ("yColumn", "yCol"), ("showNoteWhenEmpty", "noteOnEmpty"), ("shadeBelow", "shade")];

/// Keys of a chart that are those of its cell.
const PLACE: [(&str, &str); 4] = [("x", "xPos"), ("y", "yPos"), ("w", "width"), ("h", "height")];

fn renamed(key: &str, pairs: &[(&str, &str)], to_chart: bool) -> String {
    let find = |(view, chart): &&(&str, &str)| if to_chart { *view == key } else { *chart == key };
    let found = pairs.iter().find(find).map(|(view, chart)| if to_chart { *chart } else { *view });
    found.unwrap_or(key).to_owned()
}

/// The charts of the cells of a dashboard, as they are shown with what they show.
pub(super) fn charts_of_cells(cells: &Value) -> Value {
    cells.as_array().into_iter().flatten().filter_map(chart).collect()
}

fn chart(cell: &Value) -> Option<Value> {
    let view = cell.get("properties")?.as_object()?;
    let kind = view.get("type")?.as_str()?;
    let mut chart = Map::new();
    chart.insert("kind".to_owned(), renamed(kind, &KINDS, true).into());
    chart.insert("name".to_owned(), text(cell, "name").into());
    for (key, name) in PLACE {
        chart.insert(name.to_owned(), cell.get(key).cloned().unwrap_or_default());
    }
    for (key, value) in view.iter().filter(|(key, _)| !matches!(key.as_str(), "type" | "shape")) {
        let value = match key.as_str() {
            "queries" => {
                let queries = value.as_array().into_iter().flatten();
                queries.map(|query| json!({ "query": text(query, "text") })).collect()
            }
            "axes" => {
                let named = |(name, axis): (&String, &Value)| {
                    let mut axis = axis.clone();
                    axis["name"] = name.as_str().into();
                    axis
                };
                value.as_object().into_iter().flatten().filter(|(_, axis)| axis.is_object()).map(named).collect()
            }
            _ => value.clone(),
        };
        chart.insert(renamed(key, &KEYS, true), value);
    }
    Some(Value::Object(chart))
}

/// The cells of charts, as a request has them.
pub(super) fn cells_of_charts(charts: &Value) -> ApiResult<Value> {
    charts.as_array().into_iter().flatten().map(cell).collect()
}

fn cell(chart: &Value) -> ApiResult<Value> {
    let wrong = |cause: &str| ApiError::invalid(format!("a chart {cause}"));
    let known = chart.as_object().ok_or_else(|| wrong("must be an object"))?;
    let kind = text(chart, "kind");
    let view_kind = KINDS.iter().find(|(_, known)| known.eq_ignore_ascii_case(kind)).map(|(view, _)| *view);
    let view_kind = view_kind.ok_or_else(|| wrong(&format!("of kind {kind:?} is not known")))?;
    let mut view = Map::new();
    view.insert("type".to_owned(), view_kind.into());
    view.insert("shape".to_owned(), "chronograf-v2".into());
    for (key, value) in known {
        let value = match key.as_str() {
            "kind" | "name" | "xPos" | "yPos" | "width" | "height" => continue,
            "queries" => {
                let queries = value.as_array().into_iter().flatten();
                let query = |query: &Value| json!({ "text": text(query, "query"), "editMode": "advanced", "name": "" });
                queries.map(query).collect()
            }
            "axes" => {
                let axes = value.as_array().into_iter().flatten();
                let named = |axis: &Value| Some((axis.get("name")?.as_str()?.to_owned(), axis.clone()));
                Value::Object(axes.filter_map(named).collect())
            }
            _ => value.clone(),
        };
        view.insert(renamed(key, &KEYS, false), value);
    }
    let mut cell = json!({ "name": text(chart, "name"), "properties": view });
    for (key, name) in PLACE {
        let place =
            known.get(name).cloned().unwrap_or_else(|| if matches!(key, "w" | "h") { 4.into() } else { 0.into() });
        cell[key] = place;
    }
    Ok(cell)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_chart_and_its_cell_say_the_same() {
        let cell = json!({
            "name": "c", "x": 1, "y": 2, "w": 3, "h": 4,
            "properties": {
                "type": "xy", "shape": "chronograf-v2", "xColumn": "_time", "note": "n", "showNoteWhenEmpty": true,
                "queries": [{"text": "q", "editMode": "advanced", "name": ""}], "geom": "line",
                "axes": {"x": {"label": "l", "name": "x"}}, "colors": [{"hex": "#fff"}],
            },
        });
        let charts = charts_of_cells(&json!([cell]));
        assert_eq!(
            charts,
            json!([{
                "kind": "Xy", "name": "c", "xPos": 1, "yPos": 2, "width": 3, "height": 4, "xCol": "_time", "note": "n",
                "noteOnEmpty": true, "queries": [{"query": "q"}], "geom": "line", "axes": [{"label": "l", "name": "x"}],
                "colors": [{"hex": "#fff"}],
            }])
        );
        assert_eq!(cells_of_charts(&charts).unwrap(), json!([cell]));
        assert_eq!(charts_of_cells(&json!([{"name": "empty", "properties": {"shape": "empty"}}])), json!([]));
        for (chart, message) in
            [(json!(["x"]), "a chart must be an object"), (json!([{"kind": "Pie"}]), "a chart of kind \"Pie\"")]
        {
            assert!(cells_of_charts(&chart).unwrap_err().message().starts_with(message));
        }
    }
}
