-- What SQLite says its own way: entries are never changed, and balances follow them.
CREATE TRIGGER entries_stay BEFORE UPDATE ON transfers BEGIN
    SELECT RAISE(ABORT, 'entries of the ledger are never changed');
END;
CREATE TRIGGER entries_remain BEFORE DELETE ON transfers BEGIN
    SELECT RAISE(ABORT, 'entries of the ledger are never deleted');
END;
CREATE TRIGGER entries_move AFTER INSERT ON transfers WHEN NEW.microusd > 0 BEGIN
    SELECT RAISE(ABORT, 'CHECK: nothing is left in the account')
    WHERE NEW.from_account LIKE '%:%' AND NEW.from_account NOT LIKE 'spent:%'
      AND NOT EXISTS (SELECT 1 FROM balances WHERE account = NEW.from_account);
    UPDATE balances SET balance = balance - NEW.microusd WHERE account = NEW.from_account;
    DELETE FROM balances WHERE account = NEW.from_account AND balance = 0;
    INSERT INTO balances (account, balance)
    SELECT NEW.to_account, NEW.microusd
    WHERE NEW.to_account LIKE '%:%' AND NEW.to_account NOT LIKE 'spent:%'
    ON CONFLICT (account) DO UPDATE SET balance = balance + excluded.balance;
END;
