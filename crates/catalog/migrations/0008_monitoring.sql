-- Documents have more kinds from here on: checks, notificationEndpoints, notificationRules, stacks. A server that does
-- not know them must not open the database; nothing else changes.
UPDATE catalog_state SET format_version = format_version WHERE id = 1;
