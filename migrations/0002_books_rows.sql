-- Fewer rows written, which D1 bills with their index rows: entries, lines and balances are small and become their own
-- index (one row each instead of two), generations are clustered by account. The triggers of 0001 come back as they were,
-- except that a generation is known by its account and id.
DROP TRIGGER `lines_move_balances`;
--> statement-breakpoint
DROP TRIGGER `lines_are_sealed`;
--> statement-breakpoint
DROP TRIGGER `lines_never_change`;
--> statement-breakpoint
DROP TRIGGER `lines_never_go`;
--> statement-breakpoint
DROP TRIGGER `entries_balance`;
--> statement-breakpoint
DROP TRIGGER `entries_never_change`;
--> statement-breakpoint
DROP TRIGGER `entries_never_go`;
--> statement-breakpoint
DROP TRIGGER `generations_are_booked_once`;
--> statement-breakpoint
DROP TRIGGER `generations_never_change`;
--> statement-breakpoint
CREATE TABLE `__new_entries` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`reason` text
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_entries` (`id`, `kind`, `created_at_ms`, `reason`) SELECT `id`, `kind`, `created_at_ms`, `reason` FROM `entries`;
--> statement-breakpoint
DROP TABLE `entries`;
--> statement-breakpoint
ALTER TABLE `__new_entries` RENAME TO `entries`;
--> statement-breakpoint
CREATE TABLE `__new_lines` (
	`entry_id` text NOT NULL,
	`account` text NOT NULL,
	`amount_nusd` integer NOT NULL,
	PRIMARY KEY(`entry_id`, `account`),
	CONSTRAINT "lines_amount_is_integer" CHECK(typeof("amount_nusd") = 'integer')
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_lines` (`entry_id`, `account`, `amount_nusd`) SELECT `entry_id`, `account`, `amount_nusd` FROM `lines`;
--> statement-breakpoint
DROP TABLE `lines`;
--> statement-breakpoint
ALTER TABLE `__new_lines` RENAME TO `lines`;
--> statement-breakpoint
CREATE TABLE `__new_balances` (
	`account` text PRIMARY KEY NOT NULL,
	`balance_nusd` integer NOT NULL,
	CONSTRAINT "balances_balance_is_integer" CHECK(typeof("balance_nusd") = 'integer')
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_balances` (`account`, `balance_nusd`) SELECT `account`, `balance_nusd` FROM `balances`;
--> statement-breakpoint
DROP TABLE `balances`;
--> statement-breakpoint
ALTER TABLE `__new_balances` RENAME TO `balances`;
--> statement-breakpoint
CREATE TABLE `__new_generations` (
	`id` text NOT NULL,
	`account_id` text NOT NULL,
	`entry_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`cost_nusd` integer NOT NULL,
	`charged_nusd` integer NOT NULL,
	`record` text NOT NULL,
	PRIMARY KEY(`account_id`, `id`)
);
--> statement-breakpoint
INSERT INTO `__new_generations` (`id`, `account_id`, `entry_id`, `created_at_ms`, `cost_nusd`, `charged_nusd`, `record`) SELECT `id`, `account_id`, `entry_id`, `created_at_ms`, `cost_nusd`, `charged_nusd`, `record` FROM `generations`;
--> statement-breakpoint
DROP TABLE `generations`;
--> statement-breakpoint
ALTER TABLE `__new_generations` RENAME TO `generations`;
--> statement-breakpoint
CREATE TRIGGER `lines_move_balances` AFTER INSERT ON `lines` BEGIN
	INSERT INTO `balances` (`account`, `balance_nusd`) VALUES (NEW.`account`, NEW.`amount_nusd`)
	ON CONFLICT (`account`) DO UPDATE SET `balance_nusd` = `balance_nusd` + excluded.`balance_nusd`;
END;
--> statement-breakpoint
CREATE TRIGGER `lines_are_sealed` BEFORE INSERT ON `lines`
WHEN EXISTS (SELECT 1 FROM `entries` WHERE `id` = NEW.`entry_id`)
AND NOT EXISTS (SELECT 1 FROM `lines` WHERE `entry_id` = NEW.`entry_id` AND `account` = NEW.`account` AND `amount_nusd` = NEW.`amount_nusd`)
BEGIN
	SELECT RAISE(ABORT, 'this entry is sealed with other lines');
END;
--> statement-breakpoint
CREATE TRIGGER `lines_never_change` BEFORE UPDATE ON `lines` BEGIN
	SELECT RAISE(ABORT, 'lines never change');
END;
--> statement-breakpoint
CREATE TRIGGER `lines_never_go` BEFORE DELETE ON `lines` BEGIN
	SELECT RAISE(ABORT, 'lines never go');
END;
--> statement-breakpoint
CREATE TRIGGER `entries_balance` BEFORE INSERT ON `entries`
WHEN (SELECT COALESCE(SUM(`amount_nusd`), 0) FROM `lines` WHERE `entry_id` = NEW.`id`) <> 0
BEGIN
	SELECT RAISE(ABORT, 'an entry sums to zero');
END;
--> statement-breakpoint
CREATE TRIGGER `entries_never_change` BEFORE UPDATE ON `entries` BEGIN
	SELECT RAISE(ABORT, 'entries never change');
END;
--> statement-breakpoint
CREATE TRIGGER `entries_never_go` BEFORE DELETE ON `entries` BEGIN
	SELECT RAISE(ABORT, 'entries never go');
END;
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
