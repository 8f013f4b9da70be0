// Whose clock counts for windows and dates.
package timezone

utc = {zone: "UTC", offset: 0h}
fixed = (offset) => ({zone: "UTC", offset: offset})
location = (name) => ({zone: name, offset: 0h})
