CREATE TABLE `generation_files` (
	`account_id` text NOT NULL,
	`first_id` text NOT NULL,
	`last_id` text NOT NULL,
	`rows` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`account_id`, `first_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `usage_days` (
	`account_id` text NOT NULL,
	`day` text NOT NULL,
	`key_hash` text NOT NULL,
	`model` text NOT NULL,
	`provider` text NOT NULL,
	`requests` integer NOT NULL,
	`byok_requests` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nusd` integer NOT NULL,
	`charged_nusd` integer NOT NULL,
	PRIMARY KEY(`account_id`, `day`, `key_hash`, `model`, `provider`),
	CONSTRAINT "usage_days_charged_is_integer" CHECK(typeof("usage_days"."charged_nusd") = 'integer')
) WITHOUT ROWID;
--> statement-breakpoint
-- A generation leaves D1 for a file whose range has it, and in no other way.
CREATE TRIGGER `generations_leave_for_a_file` BEFORE DELETE ON `generations`
WHEN COALESCE((SELECT `last_id` FROM `generation_files` WHERE `account_id` = OLD.`account_id` AND `first_id` <= OLD.`id` ORDER BY `first_id` DESC LIMIT 1), '') < OLD.`id`
BEGIN
	SELECT RAISE(ABORT, 'a generation leaves for a file');
END;
