-- What the books promise by themselves, whoever writes to them.
-- Lines come before their entry; the entry seals them: it is refused unless they sum to zero, and afterwards a line of
-- that entry is refused unless it repeats one that is there (a retried flush repeats all of them and moves nothing).
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
OR EXISTS (SELECT 1 FROM `generations` WHERE `id` = NEW.`id` AND (`entry_id` <> NEW.`entry_id` OR `charged_nusd` <> NEW.`charged_nusd`))
BEGIN
	SELECT RAISE(ABORT, 'a generation is booked once, by one entry');
END;
--> statement-breakpoint
CREATE TRIGGER `generations_never_change` BEFORE UPDATE ON `generations` BEGIN
	SELECT RAISE(ABORT, 'generations never change');
END;
