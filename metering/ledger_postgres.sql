-- What PostgreSQL says its own way: entries are never changed, and balances follow them.
CREATE FUNCTION entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the ledger are never changed';
END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION entries_stay();
CREATE TRIGGER entries_remain BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION entries_stay();

CREATE FUNCTION entries_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.from_account LIKE '%:%' AND NEW.from_account NOT LIKE 'spent:%' THEN
        UPDATE balances SET balance = balance - NEW.microusd WHERE account = NEW.from_account;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'CHECK: nothing is left in the account' USING ERRCODE = 'check_violation';
        END IF;
        DELETE FROM balances WHERE account = NEW.from_account AND balance = 0;
    END IF;
    IF NEW.to_account LIKE '%:%' AND NEW.to_account NOT LIKE 'spent:%' THEN
        INSERT INTO balances (account, balance) VALUES (NEW.to_account, NEW.microusd)
        ON CONFLICT (account) DO UPDATE SET balance = balances.balance + excluded.balance;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_move AFTER INSERT ON transfers FOR EACH ROW WHEN (NEW.microusd > 0)
EXECUTE FUNCTION entries_move();
