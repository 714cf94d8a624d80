;; What somebody does who visits a file in a pod. The environment says by which method, and where; stdout is compared.
(require 'tramp)
(setq tramp-verbose 1
      tramp-use-ssh-controlmaster-options nil
      tramp-persistency-file-name nil
      auth-sources nil)

;; `ssh -F file` in place of the user's own configuration.
(let* ((method (cdr (assoc (getenv "TRAMP_METHOD") tramp-methods)))
       (config (list "-F" (getenv "TRAMP_CONFIG"))))
  (dolist (key '(tramp-login-args tramp-copy-args))
    (let ((arguments (assq key method)))
      (when arguments (setcdr arguments (list (cons config (cadr arguments))))))))

(let* ((base (format "/%s:workbench:" (getenv "TRAMP_METHOD")))
       (default-directory (concat base (getenv "TRAMP_FOLDER")))
       (file (getenv "TRAMP_FILE"))
       (say (lambda (what value) (princ (format "%s: %s\n" what value)))))
  (funcall say "home" (file-local-name (expand-file-name (concat base "~/"))))
  (let ((coding-system-for-write 'utf-8))
    (with-temp-file (expand-file-name "text") (insert "from this machine: ü\n")))
  (funcall say "files" (string-join (directory-files default-directory nil "^[^.]") " "))
  (funcall say "text"
           (string-trim (with-temp-buffer (insert-file-contents (expand-file-name "text")) (buffer-string))))
  (copy-file file (expand-file-name "copied"))
  (rename-file (expand-file-name "copied") (expand-file-name "renamed"))
  (copy-file (expand-file-name "renamed") (concat file ".back"))
  (funcall say "renamed"
           (format "exists, %d bytes" (file-attribute-size (file-attributes (expand-file-name "renamed")))))
  (funcall say "old name" (if (file-exists-p (expand-file-name "copied")) "still there" "gone"))
  (funcall say "command" (string-trim (shell-command-to-string "echo $(pwd) $(id -u)"))))
