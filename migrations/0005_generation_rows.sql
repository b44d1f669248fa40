-- A generation's row becomes its own index: one row written when it is booked instead of two, as records are short now
-- (src/insight/generation-row.ts). The triggers come back as they were (0002, 0003).
CREATE TABLE `__new_generations` (
	`id` text NOT NULL,
	`account_id` text NOT NULL,
	`entry_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`cost_nusd` integer NOT NULL,
	`charged_nusd` integer NOT NULL,
	`record` text NOT NULL,
	PRIMARY KEY(`account_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_generations` (`id`, `account_id`, `entry_id`, `created_at_ms`, `cost_nusd`, `charged_nusd`, `record`) SELECT `id`, `account_id`, `entry_id`, `created_at_ms`, `cost_nusd`, `charged_nusd`, `record` FROM `generations`;
--> statement-breakpoint
DROP TRIGGER `generations_are_booked_once`;
--> statement-breakpoint
DROP TRIGGER `generations_never_change`;
--> statement-breakpoint
DROP TRIGGER `generations_leave_for_a_file`;
--> statement-breakpoint
DROP TABLE `generations`;
--> statement-breakpoint
ALTER TABLE `__new_generations` RENAME TO `generations`;
--> statement-breakpoint
CREATE TRIGGER `generations_are_booked_once` BEFORE INSERT ON `generations`
WHEN NOT EXISTS (SELECT 1 FROM `entries` WHERE `id` = NEW.`entry_id`)
OR EXISTS (SELECT 1 FROM `generations` WHERE `account_id` = NEW.`account_id` AND `id` = NEW.`id` AND (`entry_id` <> NEW.`entry_id` OR `charged_nusd` <> NEW.`charged_nusd`))
BEGIN
	SELECT RAISE(ABORT, 'a generation is booked once, by one entry');
END;
--> statement-breakpoint
CREATE TRIGGER `generations_never_change` BEFORE UPDATE ON `generations` BEGIN
	SELECT RAISE(ABORT, 'generations never change');
END;
--> statement-breakpoint
-- A generation leaves D1 for a file whose range has it, and in no other way.
CREATE TRIGGER `generations_leave_for_a_file` BEFORE DELETE ON `generations`
WHEN COALESCE((SELECT `last_id` FROM `generation_files` WHERE `account_id` = OLD.`account_id` AND `first_id` <= OLD.`id` ORDER BY `first_id` DESC LIMIT 1), '') < OLD.`id`
BEGIN
	SELECT RAISE(ABORT, 'a generation leaves for a file');
END;
