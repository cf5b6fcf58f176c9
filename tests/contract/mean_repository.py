"""The smallest repository with a bug, for the tests of rollouts: ``mean()`` does not divide."""

BROKEN = "def mean(xs):\n    return sum(xs)\n"
FIX = b"""\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def mean(xs):
-    return sum(xs)
+    return sum(xs) / len(xs)
"""
